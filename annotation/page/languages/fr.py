"""French. Pinterest's own words: épingle, tableau. Blanks before ; : ? and in « » do not break."""

from __future__ import annotations

from annotation.page.wording import Border, Case, Example, GuideTexts, Language, PageTexts, Wording

_PAGE = PageTexts(
    grades={
        5: (
            "Très pertinente",
            "Exactement ce qu'une personne qui tape cette requête espère trouver.",
        ),
        4: (
            "Pertinente",
            "Répond à l'intention principale ; un petit détail manque ou diffère.",
        ),
        3: (
            "Un peu pertinente",
            "Liée à la requête ; répond à une intention secondaire ou partielle.",
        ),
        2: (
            "Pas pertinente",
            "Partage un mot ou un thème, mais ne répond pas à l'intention.",
        ),
        1: ("Pas du tout pertinente", "Aucun lien utile avec la requête."),
    },
    cannot_judge=(
        "Impossible à juger",
        "Épingle illisible ou défectueuse, ou requête qui n'a aucun sens.",
    ),
    choose="Donnez une note de {worst} à {best}, ou {key} si vous ne pouvez pas juger l'épingle.",
    query="Requête",
    market="recherchée en",
    submit="Ctrl+Entrée pour valider",
    fields={
        "title": "Titre",
        "description": "Description",
        "caption": "Légende de l'image (écrite par une machine)",
        "boards": "Enregistrée dans les tableaux",
        "link": "Lien vers",
    },
    no_picture="Pas d'image",
    broken_picture="L'image ne s'est pas chargée",
    questions={
        "problems": Wording(
            "Un problème ?",
            "facultatif",
            {
                "picture": "Image défectueuse",
                "language": "Langue étrangère",
                "query": "Requête obscure",
                "unsafe": "Adulte ou dangereux",
            },
        ),
        "comment": Wording(
            "Remarque", "Pourquoi était-ce difficile ? (facultatif ; Tab pour sortir de la case)"
        ),
    },
)

_GUIDE = GuideTexts(
    question="À quel point cette épingle est-elle pertinente pour la requête ?",
    intro=(
        (
            "Imaginez que vous avez tapé la requête vous-même et que la recherche vous a montré "
            "cette épingle. Est-elle proche de ce que vous espériez trouver ? Jugez l'image et le "
            "texte ensemble : qu'obtiendriez-vous en ouvrant l'épingle ?"
        ),
        (
            "Jugez la pertinence, pas le goût : une image laide de la bonne chose reste la bonne "
            "chose. Jugez chaque épingle pour elle-même ; il est inutile d'ouvrir des liens ou de "
            "faire des recherches à son sujet."
        ),
    ),
    scale="Les notes",
    ladder="Une requête, les cinq notes",
    steps=(
        Example(
            "tapis rond bohème",
            "Un tapis rond à franges et à motifs bohèmes",
            5,
            "L'objet, le style et la forme sont exactement ceux demandés.",
        ),
        Example(
            "tapis rond bohème",
            "Un tapis bohème rectangulaire",
            4,
            "Le bon objet dans le bon style ; seule la forme diffère.",
        ),
        Example(
            "tapis rond bohème",
            "Un coussin de sol bohème",
            3,
            "Pas un tapis, mais il va dans la même pièce et peut intéresser la personne.",
        ),
        Example(
            "tapis rond bohème",
            "Comment détacher un tapis",
            2,
            "Il s'agit bien de tapis, mais cela n'aide pas à en trouver un.",
        ),
        Example(
            "tapis rond bohème",
            "Un poulet au curry en 20 minutes",
            1,
            "Rien en commun.",
        ),
    ),
    borders="Entre deux notes",
    torn="Vous hésitez toujours au bout de 30 secondes ? Donnez la note la plus basse et "
    "continuez.",
    between_name="{lower} ou {upper} ?",
    between=(
        Border(
            1,
            "La requête et l'épingle ont-elles un mot ou un thème en commun ?",
            "Si oui, c'est un 2. S'il faut inventer un lien, c'est un 1. Les mots qui conviennent "
            "à presque toutes les épingles (facile, idée, meilleur) ne comptent pas.",
            (
                Example(
                    "recette avocat crevettes",
                    "Un cabinet d'avocats",
                    2,
                    "Le mot est commun, même s'il a un autre sens.",
                ),
                Example(
                    "idée repas facile",
                    "Des tresses faciles pour l'école",
                    1,
                    "« Facile » convient à presque toutes les épingles et ne compte pas.",
                ),
            ),
        ),
        Border(
            2,
            "L'épingle aiderait-elle la personne, même par un détour ?",
            "Si elle répond à une partie de son souhait, ou à un souhait très voisin, c'est un 3. "
            "Quand le thème est bon, mais que la personne ne s'y arrêterait pas, c'est un 2.",
            (
                Example(
                    "rangement petite salle de bain",
                    "Une étagère gain de place pour une petite cuisine",
                    3,
                    "Une autre pièce, mais l'idée peut être reprise.",
                ),
                Example(
                    "rangement petite salle de bain",
                    "Comment nettoyer le carrelage d'une salle de bain",
                    2,
                    "La bonne pièce, mais aucun rapport avec le rangement.",
                ),
                Example(
                    "recette végane pour le soir",
                    "Une recette de gâteau au chocolat végane",
                    3,
                    "Un autre repas, mais utile à quelqu'un qui cuisine végane.",
                ),
                Example(
                    "recette végane pour le soir",
                    "Une affiche : pourquoi devenir végane",
                    2,
                    "Le même thème, mais il n'y a rien à cuisiner.",
                ),
            ),
        ),
        Border(
            3,
            "Est-ce bien la chose demandée, avec son souhait le plus important ?",
            "Si oui, et que seul un petit détail ne va pas, c'est un 4. Si le souhait le plus "
            "important n'est pas respecté, ou si c'est une autre chose du même genre, c'est un 3. "
            "Le style, l'occasion et le régime alimentaire comptent en général plus que la "
            "couleur, la taille et la forme.",
            (
                Example(
                    "robe demoiselle d'honneur bleu marine",
                    "Une robe de demoiselle d'honneur bleu roi",
                    4,
                    "L'occasion est la bonne ; le bleu est un peu trop clair.",
                ),
                Example(
                    "robe demoiselle d'honneur bleu marine",
                    "Une robe bleu marine pour le bureau",
                    3,
                    "La bonne couleur, mais le mariage est le souhait le plus important.",
                ),
                Example(
                    "gâteau anniversaire sans gluten",
                    "Un gâteau au chocolat sans gluten, sans décoration",
                    4,
                    "On peut le servir à l'anniversaire ; seul l'air de fête manque.",
                ),
                Example(
                    "gâteau anniversaire sans gluten",
                    "Un gâteau d'anniversaire à la farine de blé",
                    3,
                    "Un gâteau d'anniversaire, mais l'invité ne peut pas en manger.",
                ),
            ),
        ),
        Border(
            4,
            "Pouvez-vous nommer un souhait de la requête que l'épingle ne comble pas tout à fait ?",
            "Si oui, c'est un 4. Sinon, c'est un 5. N'inventez pas de souhaits que la requête "
            "n'exprime pas : tout bon exemple répond à une requête large.",
            (
                Example(
                    "ongles courts automne",
                    "Des ongles courts à motif de feuilles d'automne",
                    5,
                    "La longueur et la saison sont celles demandées.",
                ),
                Example(
                    "ongles courts automne",
                    "Des ongles longs à motif de feuilles d'automne",
                    4,
                    "La saison est la bonne, la longueur non.",
                ),
                Example(
                    "idée déco salon",
                    "Un salon lumineux avec beaucoup de plantes",
                    5,
                    "Un bon exemple ; rien de plus n'était demandé.",
                ),
                Example(
                    "idée déco salon",
                    "Un salon décoré pour Noël",
                    4,
                    "Un bon exemple, mais personne n'a demandé Noël.",
                ),
            ),
        ),
    ),
    hard="Cas difficiles",
    cases=(
        Case(
            "spelling",
            "La requête contient des fautes d'orthographe.",
            "Jugez ce que la personne a manifestement voulu écrire : « canaper » est « canapé ».",
        ),
        Case(
            "ambiguous",
            "La requête a plusieurs sens.",
            "Retenez le sens auquel la plupart des gens pensent dans votre pays. Une épingle qui "
            "répond à un sens plus rare, mais réel, est un 3.",
        ),
        Case(
            "unknown",
            "Vous ne connaissez pas un mot de la requête.",
            "Cherchez le mot, mais pas l'épingle. Si la requête reste une énigme : 0 et "
            "« {query} ».",
        ),
        Case(
            "constraint",
            "La requête précise une marque, une couleur, une taille ou un nombre.",
            "C'est un souhait comme un autre. Presque juste (bleu marine pour bleu foncé) est un "
            "détail : 4. Une autre marque, quand tout est dans la marque, est un 3.",
        ),
        Case(
            "exclusion",
            "La requête exclut quelque chose : sans sucre, végane, sans couture.",
            "Ce n'est jamais un détail. Une épingle qui ne le respecte pas obtient au plus un 3.",
        ),
        Case(
            "idea",
            "La requête demande des idées et l'épingle vend un produit, ou l'inverse.",
            "Pour des idées, un produit montré en situation peut valoir 5 ; sur fond uni, c'est "
            "un 3. Pour un achat, une image qui ne propose rien à vendre vaut au plus 4.",
        ),
        Case(
            "season",
            "L'épingle ou la requête concerne un autre moment de l'année.",
            "Faites comme si c'était le bon moment. Une fête que personne n'a demandée fait "
            "perdre une note.",
        ),
        Case(
            "language",
            "Le texte de l'épingle n'est pas dans la langue de la requête.",
            "Si vous le comprenez, jugez comme d'habitude, mais une note plus bas si la personne "
            "doit le lire (une recette, un mode d'emploi). Si vous ne le comprenez pas et que "
            "l'image n'en dit pas assez : 0 et « {language} ».",
        ),
        Case(
            "picture",
            "L'image manque ou est défectueuse.",
            "Cochez « {picture} ». Si le texte en dit assez, notez l'épingle d'après lui ; sinon, "
            "donnez un 0.",
        ),
        Case(
            "contradiction",
            "L'image et le texte se contredisent.",
            "Fiez-vous à l'image : c'est ce que la personne voit en premier.",
        ),
        Case(
            "unsafe",
            "L'épingle est sexuelle, violente, haineuse ou dangereuse.",
            "Cochez « {unsafe} » et notez sa pertinence comme d'habitude. Si vous préférez ne pas "
            "la regarder : 0 et « {unsafe} ». On ne vous demande jamais de regarder plus "
            "longtemps que vous ne le souhaitez.",
        ),
    ),
    caption_heading="La légende écrite par une machine",
    caption=(
        "Un ordinateur a écrit la légende de l'image à partir de l'image seule, le plus souvent en "
        "anglais. Elle est souvent utile et parfois fausse : il peut prendre un coussin pour un "
        "gâteau. Si elle contredit l'image, fiez-vous à vos yeux."
    ),
    keys_heading="Touches et rythme",
    submit_keys="Ctrl+Entrée",
    key_grade="donne la note ; une autre touche la change (rangée du haut, sans Maj, pas le pavé "
    "numérique)",
    key_cannot_judge="{cannot_judge} : mieux vaut un 0 honnête qu'une note au hasard",
    key_problems="coche ou décoche ce qui ne va pas dans l'épingle",
    key_submit="valide, comme le bouton « Submit », et montre l'épingle suivante (sur Mac : "
    "⌘+Entrée)",
    key_leave="sort de la case de remarque. Dans la case, les chiffres sont du texte et "
    "Ctrl+Entrée ne fait rien",
    pace=(
        (
            "La requête d'abord, puis l'image, puis le titre. Ne lisez le reste que si vous "
            "hésitez encore."
        ),
        (
            "La plupart des épingles prennent de 5 à 10 secondes. Votre première impression est "
            "généralement la bonne."
        ),
        (
            "Ne discutez pas d'une épingle avant que chacun l'ait notée : des différences sincères "
            "nous aident."
        ),
        (
            "Faites une courte pause toutes les demi-heures ; les yeux fatigués glissent vers le "
            "milieu."
        ),
    ),
)

LANGUAGE = Language(
    code="fr",
    name="Français",
    countries=("FR", "BE", "LU", "MC"),
    page=_PAGE,
    guide=_GUIDE,
)
