"""Spanish, as in Mexico (recámara, sala, pastel), in words that other countries understand too."""

from __future__ import annotations

from annotation.page.wording import Border, Case, Example, GuideTexts, Language, PageTexts, Wording

_PAGE = PageTexts(
    grades={
        5: (
            "Muy relevante",
            "Exactamente lo que espera encontrar quien escribe esta búsqueda.",
        ),
        4: (
            "Relevante",
            "Cumple la intención principal; falta o cambia un detalle pequeño.",
        ),
        3: (
            "Algo relevante",
            "Tiene relación; cumple una intención secundaria o solo una parte.",
        ),
        2: (
            "Irrelevante",
            "Comparte una palabra o un tema, pero no cumple la intención.",
        ),
        1: ("Totalmente irrelevante", "No tiene ninguna relación útil con la búsqueda."),
    },
    cannot_judge=(
        "No puedo juzgarlo",
        "No puedes leer el Pin, está dañado o la búsqueda no tiene sentido.",
    ),
    choose="Elige una calificación del {worst} al {best}, o {key} si no puedes juzgar el Pin.",
    query="Búsqueda",
    market="hecha en",
    submit="Ctrl+Enter para enviar",
    fields={
        "title": "Título",
        "description": "Descripción",
        "caption": "Pie de imagen (escrito por una máquina)",
        "boards": "Guardado en los tableros",
        "link": "Enlace a",
    },
    no_picture="Sin imagen",
    broken_picture="La imagen no se cargó",
    questions={
        "problems": Wording(
            "¿Algún problema?",
            "opcional",
            {
                "picture": "Imagen dañada",
                "language": "Otro idioma",
                "query": "Búsqueda confusa",
                "unsafe": "Adulto o peligroso",
            },
        ),
        "comment": Wording("Nota", "¿Por qué fue difícil? (opcional; Tab sale de este cuadro)"),
    },
)

_GUIDE = GuideTexts(
    question="¿Qué tan relevante es este Pin para la búsqueda?",
    intro=(
        (
            "Imagina que tú escribiste la búsqueda y que este Pin apareció entre los resultados. "
            "¿Qué tan cerca está de lo que esperabas encontrar? Juzga la imagen y el texto "
            "juntos: ¿qué obtendrías si abrieras el Pin?"
        ),
        (
            "Juzga la relevancia, no el gusto: una imagen fea de lo correcto sigue siendo lo "
            "correcto. Juzga cada Pin por sí solo; no hace falta abrir enlaces ni investigar nada "
            "sobre él."
        ),
    ),
    scale="Las calificaciones",
    ladder="Una búsqueda, las cinco calificaciones",
    steps=(
        Example(
            "tapete redondo boho",
            "Un tapete redondo con flecos y diseño boho",
            5,
            "El objeto, el estilo y la forma son exactamente los pedidos.",
        ),
        Example(
            "tapete redondo boho",
            "Un tapete boho rectangular",
            4,
            "El objeto correcto en el estilo correcto; solo cambia la forma.",
        ),
        Example(
            "tapete redondo boho",
            "Un cojín de piso boho",
            3,
            "No es un tapete, pero queda en el mismo cuarto y puede interesarle a la persona.",
        ),
        Example(
            "tapete redondo boho",
            "Cómo quitar manchas de un tapete",
            2,
            "Trata de tapetes, pero no ayuda a encontrar uno.",
        ),
        Example("tapete redondo boho", "Pollo al curry en 20 minutos", 1, "Nada en común."),
    ),
    borders="Entre dos calificaciones",
    torn="¿Sigues dudando entre dos después de 30 segundos? Da la más baja y continúa.",
    between_name="¿{lower} o {upper}?",
    between=(
        Border(
            1,
            "¿La búsqueda y el Pin comparten una palabra o un tema?",
            "Si lo comparten, es un 2. Si hay que inventar la relación, es un 1. Las palabras que "
            "sirven para casi cualquier Pin (fácil, ideas, mejor) no cuentan.",
            (
                Example(
                    "banco de madera rústico",
                    "Una sucursal de un banco",
                    2,
                    "Comparten la palabra, aunque tiene otro significado.",
                ),
                Example(
                    "cenas fáciles",
                    "Trenzas fáciles para la escuela",
                    1,
                    "«Fácil» sirve para casi cualquier Pin y no cuenta.",
                ),
            ),
        ),
        Border(
            2,
            "¿El Pin le ayudaría en algo a la persona, aunque sea con un rodeo?",
            "Si cumple una parte de lo que quiere, o algo muy cercano, es un 3. Cuando el tema es "
            "correcto, pero la persona seguiría de largo, es un 2.",
            (
                Example(
                    "organizar baño pequeño",
                    "Una repisa que ahorra espacio en una cocina pequeña",
                    3,
                    "Es otro cuarto, pero la idea se puede aprovechar.",
                ),
                Example(
                    "organizar baño pequeño",
                    "Cómo limpiar los azulejos del baño",
                    2,
                    "El cuarto correcto, pero nada que ver con organizar.",
                ),
                Example(
                    "recetas veganas para cenar",
                    "Una receta de pastel de chocolate vegano",
                    3,
                    "Es otra comida, pero le sirve a quien cocina vegano.",
                ),
                Example(
                    "recetas veganas para cenar",
                    "Un cartel: por qué hacerse vegano",
                    2,
                    "El mismo tema, pero no hay nada que cocinar.",
                ),
            ),
        ),
        Border(
            3,
            "¿Es lo que se pidió, con su deseo más importante cumplido?",
            "Si lo es, y solo falla algo pequeño, es un 4. Si no cumple el deseo más importante, o "
            "es otra cosa parecida, es un 3. El estilo, la ocasión y la dieta suelen importar más "
            "que el color, el tamaño y la forma.",
            (
                Example(
                    "vestido dama de honor azul marino",
                    "Un vestido de dama de honor azul rey",
                    4,
                    "La ocasión es la correcta; el azul es un poco claro.",
                ),
                Example(
                    "vestido dama de honor azul marino",
                    "Un vestido azul marino para la oficina",
                    3,
                    "El color correcto, pero la boda es el deseo más importante.",
                ),
                Example(
                    "pastel de cumpleaños sin gluten",
                    "Un pastel de chocolate sin gluten y sin decorar",
                    4,
                    "Se puede servir en el cumpleaños; solo falta el aire de fiesta.",
                ),
                Example(
                    "pastel de cumpleaños sin gluten",
                    "Un pastel de cumpleaños con harina de trigo",
                    3,
                    "Es un pastel de cumpleaños, pero el invitado no lo puede comer.",
                ),
            ),
        ),
        Border(
            4,
            "¿Puedes nombrar un deseo de la búsqueda que el Pin no cumpla del todo?",
            "Si puedes, es un 4. Si no, es un 5. No inventes deseos que la búsqueda no expresa: "
            "cualquier buen ejemplo cumple una búsqueda amplia.",
            (
                Example(
                    "uñas cortas día de muertos",
                    "Uñas cortas con calaveritas de Día de Muertos",
                    5,
                    "El largo y la ocasión son los pedidos.",
                ),
                Example(
                    "uñas cortas día de muertos",
                    "Uñas largas con calaveritas de Día de Muertos",
                    4,
                    "La ocasión es la correcta, el largo no.",
                ),
                Example(
                    "ideas para decorar sala",
                    "Una sala luminosa con muchas plantas",
                    5,
                    "Un buen ejemplo; no se pidió nada más.",
                ),
                Example(
                    "ideas para decorar sala",
                    "Una sala decorada para Navidad",
                    4,
                    "Un buen ejemplo, pero nadie pidió Navidad.",
                ),
            ),
        ),
    ),
    hard="Casos difíciles",
    cases=(
        Case(
            "spelling",
            "La búsqueda tiene faltas de ortografía.",
            "Juzga lo que la persona claramente quiso decir: «resetas» son recetas.",
        ),
        Case(
            "ambiguous",
            "La búsqueda tiene varios significados.",
            "Toma el significado en el que piensa la mayoría de la gente en tu país. Un Pin que "
            "cumple un significado más raro, pero real, es un 3.",
        ),
        Case(
            "unknown",
            "No conoces una palabra de la búsqueda.",
            "Busca la palabra, pero no el Pin. Si la búsqueda sigue siendo un misterio: 0 y "
            "«{query}».",
        ),
        Case(
            "constraint",
            "La búsqueda menciona una marca, un color, un tamaño o un número.",
            "Es un deseo como cualquier otro. Casi correcto (azul marino por azul oscuro) es un "
            "detalle: 4. Otra marca, cuando la marca es lo que importa, es un 3.",
        ),
        Case(
            "exclusion",
            "La búsqueda excluye algo: sin azúcar, vegano, sin coser.",
            "Nunca es un detalle. Un Pin que no lo respeta recibe un 3 como máximo.",
        ),
        Case(
            "idea",
            "La búsqueda pide ideas y el Pin vende un producto, o al revés.",
            "Para ideas, un producto mostrado en uso puede ser un 5; sobre un fondo liso es un 3. "
            "Para una compra, una imagen que no ofrece nada en venta es un 4 como máximo.",
        ),
        Case(
            "season",
            "El Pin o la búsqueda es de otra época del año.",
            "Haz de cuenta que es el momento correcto. Una fiesta que nadie pidió cuesta una "
            "calificación.",
        ),
        Case(
            "language",
            "El texto del Pin no está en el idioma de la búsqueda.",
            "Si lo entiendes, juzga como siempre, pero una calificación más baja si la persona "
            "tiene que leerlo (una receta, instrucciones). Si no lo entiendes y la imagen no dice "
            "lo suficiente: 0 y «{language}».",
        ),
        Case(
            "picture",
            "La imagen falta o está dañada.",
            "Marca «{picture}». Si el texto dice lo suficiente, califica el Pin por el texto; si "
            "no, da un 0.",
        ),
        Case(
            "contradiction",
            "La imagen y el texto se contradicen.",
            "Confía en la imagen: es lo primero que ve la persona.",
        ),
        Case(
            "unsafe",
            "El Pin es sexual, violento, de odio o peligroso.",
            "Marca «{unsafe}» y califica su relevancia como siempre. Si prefieres no verlo: 0 y "
            "«{unsafe}». Nunca te pedimos que mires más tiempo del que quieras.",
        ),
    ),
    caption_heading="El pie de imagen escrito por una máquina",
    caption=(
        "Una computadora escribió el pie de imagen solo a partir de la imagen, casi siempre en "
        "inglés. Suele ser útil y a veces se equivoca: puede confundir un cojín con un pastel. Si "
        "contradice a la imagen, confía en tus ojos."
    ),
    keys_heading="Teclas y ritmo",
    submit_keys="Ctrl+Enter",
    key_grade="da la calificación; otra tecla la cambia (la fila sobre las letras, no el teclado "
    "numérico)",
    key_cannot_judge="{cannot_judge}: un 0 honesto es mejor que adivinar",
    key_problems="marca o desmarca lo que está mal en el Pin",
    key_submit="envía, como el botón «Submit», y muestra el siguiente Pin (en Mac: ⌘+Enter)",
    key_leave="sale del cuadro de la nota. Dentro de él, los números son texto y Ctrl+Enter no "
    "hace nada",
    pace=(
        "Primero la búsqueda, luego la imagen, luego el título. Lee lo demás solo si aún dudas.",
        (
            "La mayoría de los Pines toma de 5 a 10 segundos. La primera impresión suele ser la "
            "correcta."
        ),
        (
            "No comentes un Pin antes de que todos lo hayan calificado: las diferencias sinceras "
            "nos ayudan."
        ),
        "Haz una pausa corta cada media hora; los ojos cansados se van hacia el centro.",
    ),
)

LANGUAGE = Language(
    code="es",
    name="Español",
    countries=("MX", "ES", "AR", "CO", "CL", "PE"),
    page=_PAGE,
    guide=_GUIDE,
)
