"""The parts of the annotator's page: texts in every language, buttons, styles, safe Pin content."""
