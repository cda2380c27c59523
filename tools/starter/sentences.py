"""Sentences for the synthesisers: an opening and a statement in each of the corpus's languages.

Every opening goes before every statement of its language, which gives 6 x 8 = 48 sentences. Where the verb
must come second (Dutch, German, Danish, Nynorsk), the statements are written in that order.
"""

from __future__ import annotations

import numpy as np

# fmt: off
OPENINGS = {
    "en": (
        "Early tomorrow morning", "After the long winter",
        "In our small village", "As far as I remember",
        "On the way to the station", "When the rain stops",
    ),
    "es": (
        "Mañana por la mañana", "Después del largo invierno",
        "En nuestro pueblo pequeño", "Que yo recuerde",
        "De camino a la estación", "Cuando pare la lluvia",
    ),
    "fr": (
        "Demain matin de bonne heure", "Après le long hiver",
        "Dans notre petit village", "D'après mes souvenirs",
        "Sur le chemin de la gare", "Quand la pluie s'arrête",
    ),
    "it": (
        "Domani mattina presto", "Dopo il lungo inverno",
        "Nel nostro piccolo paese", "Per quanto ricordo",
        "Sulla strada per la stazione", "Quando smette di piovere",
    ),
    "ro": (
        "Mâine dimineață devreme", "După iarna cea lungă",
        "În satul nostru mic", "Din câte îmi amintesc",
        "În drum spre gară", "Când se oprește ploaia",
    ),
    "ca": (
        "Demà al matí ben d'hora", "Després del llarg hivern",
        "Al nostre petit poble", "Si no recordo malament",
        "De camí cap a l'estació", "Quan s'atura la pluja",
    ),
    "ru": (
        "Завтра рано утром", "После долгой зимы",
        "В нашей маленькой деревне", "Насколько я помню",
        "По дороге на вокзал", "Когда кончается дождь",
    ),
    "uk": (
        "Завтра рано вранці", "Після довгої зими",
        "У нашому маленькому селі", "Наскільки я пам'ятаю",
        "Дорогою на вокзал", "Коли закінчується дощ",
    ),
    "be": (
        "Заўтра рана раніцай", "Пасля доўгай зімы",
        "У нашай маленькай вёсцы", "Наколькі я памятаю",
        "Па дарозе на вакзал", "Калі сканчаецца дождж",
    ),
    "bg": (
        "Утре рано сутринта", "След дългата зима",
        "В нашето малко село", "Доколкото си спомням",
        "По пътя към гарата", "Когато спре дъждът",
    ),
    "cs": (
        "Zítra brzy ráno", "Po dlouhé zimě",
        "V naší malé vesnici", "Pokud si vzpomínám",
        "Cestou na nádraží", "Když přestane pršet",
    ),
    "lt": (
        "Rytoj anksti rytą", "Po ilgos žiemos",
        "Mūsų mažame kaime", "Kiek aš prisimenu",
        "Pakeliui į stotį", "Kai nustoja lyti",
    ),
    "el": (
        "Αύριο νωρίς το πρωί", "Μετά τον μακρύ χειμώνα",
        "Στο μικρό μας χωριό", "Απ' όσο θυμάμαι",
        "Στον δρόμο για τον σταθμό", "Όταν σταματά η βροχή",
    ),
    "nl": (
        "Morgenochtend vroeg", "Na de lange winter",
        "In ons kleine dorp", "Naar mijn beste weten",
        "Op weg naar het station", "Na de zware regen",
    ),
    "de": (
        "Morgen in aller Frühe", "Nach dem langen Winter",
        "In unserem kleinen Dorf", "Nach meiner Erinnerung",
        "Auf dem Weg zum Bahnhof", "Nach dem starken Regen",
    ),
    "da": (
        "Tidligt i morgen", "Efter den lange vinter",
        "I vores lille landsby", "Så vidt jeg husker",
        "På vej til stationen", "Efter den kraftige regn",
    ),
    "nn": (
        "Tidleg i morgon", "Etter den lange vinteren",
        "I den vesle bygda vår", "Så vidt eg hugsar",
        "På veg til stasjonen", "Etter det kraftige regnet",
    ),
}

STATEMENTS = {
    "en": (
        "the baker opens his shop before everybody else", "two children carry a basket full of apples",
        "an old woman tells stories about the sea", "the bridge over the river is closed to cars",
        "my brother looks for the key in the garden", "nobody hears the bell of the yellow school",
        "the train leaves with twenty minutes of delay", "we drink warm tea with honey and lemon",
    ),
    "es": (
        "el panadero abre su tienda antes que nadie", "dos niños llevan una cesta llena de manzanas",
        "una anciana cuenta historias sobre el mar", "el puente del río está cerrado a los coches",
        "mi hermano busca la llave en el jardín", "nadie oye la campana de la escuela amarilla",
        "el tren sale con veinte minutos de retraso", "bebemos té caliente con miel y limón",
    ),
    "fr": (
        "le boulanger ouvre sa boutique avant tout le monde",
        "deux enfants portent un panier plein de pommes",
        "une vieille dame raconte des histoires de la mer", "le pont sur la rivière est fermé aux voitures",
        "mon frère cherche la clé dans le jardin", "personne n'entend la cloche de l'école jaune",
        "le train part avec vingt minutes de retard", "nous buvons du thé chaud avec du miel et du citron",
    ),
    "it": (
        "il fornaio apre il negozio prima di tutti", "due bambini portano un cesto pieno di mele",
        "una vecchia signora racconta storie del mare", "il ponte sul fiume è chiuso alle macchine",
        "mio fratello cerca la chiave nel giardino", "nessuno sente la campana della scuola gialla",
        "il treno parte con venti minuti di ritardo", "beviamo tè caldo con miele e limone",
    ),
    "ro": (
        "brutarul își deschide prăvălia înaintea tuturor", "doi copii duc un coș plin cu mere",
        "o bătrână spune povești despre mare", "podul peste râu este închis pentru mașini",
        "fratele meu caută cheia în grădină", "nimeni nu aude clopotul școlii galbene",
        "trenul pleacă cu douăzeci de minute întârziere", "bem ceai cald cu miere și lămâie",
    ),
    "ca": (
        "el forner obre la botiga abans que ningú", "dos nens porten un cistell ple de pomes",
        "una dona gran explica històries del mar", "el pont sobre el riu és tancat als cotxes",
        "el meu germà busca la clau al jardí", "ningú no sent la campana de l'escola groga",
        "el tren surt amb vint minuts de retard", "bevem te calent amb mel i llimona",
    ),
    "ru": (
        "пекарь открывает лавку раньше всех", "двое детей несут корзину, полную яблок",
        "старая женщина рассказывает истории о море", "мост через реку закрыт для машин",
        "мой брат ищет ключ в саду", "никто не слышит звонка жёлтой школы",
        "поезд уходит с опозданием на двадцать минут", "мы пьём горячий чай с мёдом и лимоном",
    ),
    "uk": (
        "пекар відчиняє крамницю раніше за всіх", "двоє дітей несуть кошик, повний яблук",
        "стара жінка розповідає історії про море", "міст через річку закритий для машин",
        "мій брат шукає ключ у садку", "ніхто не чує дзвоника жовтої школи",
        "поїзд вирушає із запізненням на двадцять хвилин", "ми п'ємо гарячий чай з медом і лимоном",
    ),
    "be": (
        "пекар адчыняе краму раней за ўсіх", "двое дзяцей нясуць кошык, поўны яблыкаў",
        "старая жанчына расказвае гісторыі пра мора", "мост праз раку зачынены для машын",
        "мой брат шукае ключ у садзе", "ніхто не чуе званка жоўтай школы",
        "цягнік адпраўляецца са спазненнем на дваццаць хвілін", "мы п'ём гарачую гарбату з мёдам і лімонам",
    ),
    "bg": (
        "хлебарят отваря магазина преди всички", "две деца носят кошница, пълна с ябълки",
        "една стара жена разказва истории за морето", "мостът над реката е затворен за коли",
        "брат ми търси ключа в градината", "никой не чува звънеца на жълтото училище",
        "влакът тръгва с двадесет минути закъснение", "пием топъл чай с мед и лимон",
    ),
    "cs": (
        "otevírá pekař svůj krám dřív než ostatní", "nesou dvě děti košík plný jablek",
        "vypráví stará žena příběhy o moři", "je most přes řeku zavřený pro auta",
        "hledá můj bratr klíč na zahradě", "nikdo neslyší zvonek žluté školy",
        "odjíždí vlak s dvacetiminutovým zpožděním", "pijeme horký čaj s medem a citronem",
    ),
    "lt": (
        "kepėjas atidaro parduotuvę anksčiau už visus", "du vaikai neša pilną krepšį obuolių",
        "sena moteris pasakoja istorijas apie jūrą", "tiltas per upę uždarytas automobiliams",
        "mano brolis ieško rakto sode", "niekas negirdi geltonos mokyklos skambučio",
        "traukinys išvyksta vėluodamas dvidešimt minučių", "mes geriame karštą arbatą su medumi ir citrina",
    ),
    "el": (
        "ο φούρναρης ανοίγει το μαγαζί πριν από όλους", "δύο παιδιά κρατούν ένα καλάθι γεμάτο μήλα",
        "μια γριά γυναίκα λέει ιστορίες για τη θάλασσα", "η γέφυρα στο ποτάμι είναι κλειστή για αυτοκίνητα",
        "ο αδελφός μου ψάχνει το κλειδί στον κήπο", "κανείς δεν ακούει το κουδούνι του κίτρινου σχολείου",
        "το τρένο φεύγει με είκοσι λεπτά καθυστέρηση", "πίνουμε ζεστό τσάι με μέλι και λεμόνι",
    ),
    "nl": (
        "opent de bakker zijn winkel voor alle anderen", "dragen twee kinderen een mand vol appels",
        "vertelt een oude vrouw verhalen over de zee", "is de brug over de rivier dicht voor auto's",
        "zoekt mijn broer de sleutel in de tuin", "hoort niemand de bel van de gele school",
        "vertrekt de trein met twintig minuten vertraging", "drinken we warme thee met honing en citroen",
    ),
    "de": (
        "öffnet der Bäcker seinen Laden vor allen anderen", "tragen zwei Kinder einen Korb voller Äpfel",
        "erzählt eine alte Frau Geschichten vom Meer", "ist die Brücke über den Fluss für Autos gesperrt",
        "sucht mein Bruder den Schlüssel im Garten", "hört niemand die Glocke der gelben Schule",
        "fährt der Zug mit zwanzig Minuten Verspätung ab", "trinken wir warmen Tee mit Honig und Zitrone",
    ),
    "da": (
        "åbner bageren sin butik før alle andre", "bærer to børn en kurv fuld af æbler",
        "fortæller en gammel kone historier om havet", "er broen over åen lukket for biler",
        "leder min bror efter nøglen i haven", "hører ingen klokken fra den gule skole",
        "kører toget med tyve minutters forsinkelse", "drikker vi varm te med honning og citron",
    ),
    "nn": (
        "opnar bakaren butikken før alle andre", "ber to barn ei korg full av eple",
        "fortel ei gammal kone historier om havet", "er brua over elva stengd for bilar",
        "leitar bror min etter nøkkelen i hagen", "høyrer ingen klokka frå den gule skulen",
        "går toget tjue minutt for seint", "drikk vi varm te med honning og sitron",
    ),
}
# fmt: on

_NO_COMMA = ("nl", "de", "da", "nn", "cs")  # languages written without a comma after the opening


def sentence(language: str, rng: np.random.Generator) -> str:
    """One of the 48 sentences of a language, drawn by `rng`."""
    opening = OPENINGS[language][int(rng.integers(len(OPENINGS[language])))]
    statement = STATEMENTS[language][int(rng.integers(len(STATEMENTS[language])))]
    comma = "" if language in _NO_COMMA else ","
    return f"{opening}{comma} {statement}."
