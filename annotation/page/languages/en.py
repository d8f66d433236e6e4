"""English."""

from __future__ import annotations

from annotation.page.wording import Border, Case, Example, GuideTexts, Language, PageTexts, Wording
from relevance.grades import GRADES

_PAGE = PageTexts(
    grades={grade.number: (grade.name, grade.guideline) for grade in GRADES},
    cannot_judge=(
        "Cannot judge",
        "You cannot read the Pin, it is broken, or the query makes no sense.",
    ),
    choose="Choose a grade from {worst} to {best}, or {key} if you cannot judge the Pin.",
    query="Query",
    market="searched in",
    submit="Ctrl+Enter submits",
    fields={
        "title": "Title",
        "description": "Description",
        "caption": "Image caption (machine-written)",
        "boards": "Saved to boards",
        "link": "Links to",
    },
    no_picture="No picture",
    broken_picture="The picture did not load",
    questions={
        "problems": Wording(
            "Anything wrong?",
            "optional",
            {
                "picture": "Picture broken",
                "language": "Foreign language",
                "query": "Unclear query",
                "unsafe": "Adult or unsafe",
            },
        ),
        "comment": Wording("Note", "What made it hard? (optional; Tab leaves this box)"),
    },
)

_GUIDE = GuideTexts(
    question="How relevant is this Pin to the query?",
    intro=(
        (
            "Imagine that you typed the query yourself and that the search showed you this Pin. "
            "How close does it come to what you hoped to find? Judge picture and text together: "
            "what would you get if you opened the Pin?"
        ),
        (
            "Judge relevance, not taste: an ugly picture of the right thing is still the right "
            "thing. Judge every Pin on its own; you need not open links or look anything up about "
            "it."
        ),
    ),
    scale="The grades",
    ladder="One query, all five grades",
    steps=(
        Example(
            "round boho rug",
            "A round rug with a boho pattern and fringes",
            5,
            "Object, style and shape are exactly as asked.",
        ),
        Example(
            "round boho rug",
            "A rectangular boho rug",
            4,
            "The right object in the right style; only the shape is different.",
        ),
        Example(
            "round boho rug",
            "A boho floor cushion",
            3,
            "Not a rug, but it suits the same room and may well interest the searcher.",
        ),
        Example(
            "round boho rug",
            "How to get stains out of a rug",
            2,
            "It is about rugs, but it is no help in finding one.",
        ),
        Example("round boho rug", "Chicken curry in 20 minutes", 1, "Nothing in common."),
    ),
    borders="Between two grades",
    torn="Still torn between two grades after 30 seconds? Give the lower one and go on.",
    between_name="{lower} or {upper}?",
    between=(
        Border(
            1,
            "Do the query and the Pin share a word or a theme?",
            "If they do, it is a 2. If you have to make up a connection, it is a 1. Words that "
            "suit almost any Pin (easy, ideas, best) do not count.",
            (
                Example(
                    "jaguar tattoo",
                    "A Jaguar sports car",
                    2,
                    "The word is shared, though it means something else.",
                ),
                Example(
                    "easy dinner ideas",
                    "Easy braids for school",
                    1,
                    "“Easy” suits almost any Pin and does not count.",
                ),
            ),
        ),
        Border(
            2,
            "Would the Pin help the searcher at all, even by a detour?",
            "If it serves a part of the wish, or a closely related one, it is a 3. If the "
            "searcher would scroll past it although the topic is right, it is a 2.",
            (
                Example(
                    "small bathroom storage",
                    "A space-saving shelf for a small kitchen",
                    3,
                    "Another room, but the idea can be carried over.",
                ),
                Example(
                    "small bathroom storage",
                    "How to clean bathroom tiles",
                    2,
                    "The right room, but nothing to do with storage.",
                ),
                Example(
                    "vegan dinner recipes",
                    "A recipe for vegan chocolate cake",
                    3,
                    "Another meal, but somebody who cooks vegan can use it.",
                ),
                Example(
                    "vegan dinner recipes",
                    "A poster: why people go vegan",
                    2,
                    "The same theme, but there is nothing to cook.",
                ),
            ),
        ),
        Border(
            3,
            "Is it the thing that was asked for, with its most important wish fulfilled?",
            "If it is, and only something small is off, it is a 4. If the most important wish is "
            "missed, or it is another thing of a similar kind, it is a 3. Style, occasion and "
            "diet usually matter more than colour, size and shape.",
            (
                Example(
                    "navy blue bridesmaid dress",
                    "A royal blue bridesmaid dress",
                    4,
                    "Right for the occasion; the blue is a shade too light.",
                ),
                Example(
                    "navy blue bridesmaid dress",
                    "A navy blue dress for the office",
                    3,
                    "The right colour, but the wedding is the most important wish.",
                ),
                Example(
                    "gluten free birthday cake",
                    "A gluten free chocolate cake without decoration",
                    4,
                    "It can be served at the birthday; only the festive look is missing.",
                ),
                Example(
                    "gluten free birthday cake",
                    "A birthday cake made with wheat flour",
                    3,
                    "A birthday cake, but not one that the guest may eat.",
                ),
            ),
        ),
        Border(
            4,
            "Can you name a wish in the query that the Pin does not quite fulfil?",
            "If you can, it is a 4. If you cannot, it is a 5. Do not make up wishes that the "
            "query does not state: a broad query is fulfilled by every good example.",
            (
                Example(
                    "short fall nails",
                    "Short nails with autumn leaves",
                    5,
                    "Length and season are as asked.",
                ),
                Example(
                    "short fall nails",
                    "Long nails with autumn leaves",
                    4,
                    "The season is right, the length is not.",
                ),
                Example(
                    "living room ideas",
                    "A bright living room with many plants",
                    5,
                    "A good example; nothing more was asked for.",
                ),
                Example(
                    "living room ideas",
                    "A living room decorated for Christmas",
                    4,
                    "A good example, but nobody asked for Christmas.",
                ),
            ),
        ),
    ),
    hard="Hard cases",
    cases=(
        Case(
            "spelling",
            "The query has spelling mistakes.",
            "Judge what the searcher obviously meant: “bycicle” is a bicycle.",
        ),
        Case(
            "ambiguous",
            "The query has several meanings.",
            "Take the meaning that most people in your country have in mind. A Pin that fits a "
            "rarer, but real meaning is a 3.",
        ),
        Case(
            "unknown",
            "You do not know a word in the query.",
            "Look up the word, but not the Pin. If the query remains a riddle: 0 and “{query}”.",
        ),
        Case(
            "constraint",
            "The query names a brand, a colour, a size or a number.",
            "It is a wish like any other. Nearly right (navy for dark blue) is a small matter: 4. "
            "Another brand, where the brand is the point, is a 3.",
        ),
        Case(
            "exclusion",
            "The query rules something out: without sugar, vegan, no sewing.",
            "This is never a small matter. A Pin that breaks it gets a 3 at most.",
        ),
        Case(
            "idea",
            "The query asks for ideas, the Pin sells a product – or the other way round.",
            "For ideas, a product shown in use can be a 5; on a plain background it is a 3. For "
            "something to buy, a picture that offers nothing for sale is a 4 at most.",
        ),
        Case(
            "season",
            "The Pin or the query is about another time of the year.",
            "Pretend that it is the right time. A holiday that nobody asked for costs one grade.",
        ),
        Case(
            "language",
            "The Pin's text is not in the language of the query.",
            "If you understand it, judge as usual, but one grade lower if the searcher has to "
            "read it (a recipe, instructions). If you do not understand it and the picture "
            "does not tell enough: 0 and “{language}”.",
        ),
        Case(
            "picture",
            "The picture is missing or broken.",
            "Tick “{picture}”. If the text tells enough, grade the Pin by it; otherwise give a 0.",
        ),
        Case(
            "contradiction",
            "Picture and text contradict each other.",
            "Believe the picture: it is what the searcher sees first.",
        ),
        Case(
            "unsafe",
            "The Pin is sexual, violent, hateful or dangerous.",
            "Tick “{unsafe}” and grade its relevance as usual. If you would rather not look at "
            "it: 0 and “{unsafe}”. You are never asked to look longer than you want.",
        ),
    ),
    caption_heading="The machine-written caption",
    caption=(
        "A computer wrote the image caption from the picture alone, mostly in English. It is often "
        "useful and sometimes wrong: it may take a cushion for a cake. Where it contradicts the "
        "picture, believe your own eyes."
    ),
    keys_heading="Keys and pace",
    submit_keys="Ctrl+Enter",
    key_grade="gives the grade; another key changes it (the row above the letters, not the number "
    "pad)",
    key_cannot_judge="{cannot_judge}: an honest 0 is better than a guess",
    key_problems="ticks or unticks what is wrong with the Pin",
    key_submit="submits, like the button “Submit”, and shows the next Pin (on a Mac: ⌘+Enter)",
    key_leave="leaves the note box. Inside it, digits are text and Ctrl+Enter does nothing",
    pace=(
        "Query first, then the picture, then the title. Read on only if you are still in doubt.",
        "Most Pins take 5 to 10 seconds. Your first impression is usually right.",
        "Do not discuss a Pin before all of you have graded it: honest differences help us.",
        "Take a short break every half hour; tired eyes drift towards the middle.",
    ),
)

LANGUAGE = Language(
    code="en",
    name="English",
    countries=("US", "GB", "CA", "AU", "IE", "NZ"),
    page=_PAGE,
    guide=_GUIDE,
)
