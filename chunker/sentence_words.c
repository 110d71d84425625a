#include "chunker/sentence_words.h"

#define WORD_BYTES_MAX 16
#define INSIDE ABBREVIATION_INSIDE
#define BEFORE_NUMBER ABBREVIATION_BEFORE_NUMBER
#define MAYBE_LAST ABBREVIATION_MAYBE_LAST

/* Both tables by bytes, rising. Words that are as often no abbreviation are left out. */
static const struct {
    const char *word;
    enum abbreviation kind;
} ABBREVIATIONS[] = {
    {"abb", INSIDE},         {"abp", INSIDE},         {"abs", BEFORE_NUMBER},
    {"abzgl", INSIDE},       {"adj", INSIDE},         {"adm", INSIDE},
    {"admón", INSIDE},       {"al", INSIDE},          {"allg", INSIDE},
    {"approx", INSIDE},      {"apr", MAYBE_LAST},     {"aprox", INSIDE},
    {"arq", INSIDE},         {"art", BEFORE_NUMBER},  {"atty", INSIDE},
    {"aug", MAYBE_LAST},     {"ausschl", INSIDE},     {"av", INSIDE},
    {"ave", MAYBE_LAST},     {"avv", INSIDE},         {"bd", BEFORE_NUMBER},
    {"betr", INSIDE},        {"bez", INSIDE},         {"bijv", INSIDE},
    {"bl", BEFORE_NUMBER},   {"bldg", MAYBE_LAST},    {"blvd", MAYBE_LAST},
    {"blz", INSIDE},         {"bp", INSIDE},          {"brig", INSIDE},
    {"bros", MAYBE_LAST},    {"bspw", INSIDE},        {"bv", MAYBE_LAST},
    {"bzw", INSIDE},         {"ca", INSIDE},          {"cad", INSIDE},
    {"cap", BEFORE_NUMBER},  {"capt", INSIDE},        {"cdr", INSIDE},
    {"cf", INSIDE},          {"cfr", INSIDE},         {"ch", BEFORE_NUMBER},
    {"chap", BEFORE_NUMBER}, {"cie", MAYBE_LAST},     {"cmdr", INSIDE},
    {"co", MAYBE_LAST},      {"col", INSIDE},         {"comdr", INSIDE},
    {"const", INSIDE},       {"corp", MAYBE_LAST},    {"cos", MAYBE_LAST},
    {"cpl", INSIDE},         {"dec", MAYBE_LAST},     {"dept", MAYBE_LAST},
    {"dergl", MAYBE_LAST},   {"dez", MAYBE_LAST},     {"dgl", INSIDE},
    {"dhr", INSIDE},         {"dipl", INSIDE},        {"dott", INSIDE},
    {"dottssa", INSIDE},     {"dr", INSIDE},          {"dra", INSIDE},
    {"drs", INSIDE},         {"dña", INSIDE},         {"ebd", INSIDE},
    {"eds", MAYBE_LAST},     {"egr", INSIDE},         {"einschl", INSIDE},
    {"ej", INSIDE},          {"entspr", INSIDE},      {"env", INSIDE},
    {"eq", INSIDE},          {"eqs", INSIDE},         {"esp", INSIDE},
    {"esq", MAYBE_LAST},     {"evtl", INSIDE},        {"excl", INSIDE},
    {"excmo", INSIDE},       {"exkl", INSIDE},        {"exma", INSIDE},
    {"exmo", INSIDE},        {"feb", MAYBE_LAST},     {"fig", INSIDE},
    {"figs", INSIDE},        {"fr", INSIDE},          {"geb", INSIDE},
    {"gen", INSIDE},         {"gens", INSIDE},        {"gest", INSIDE},
    {"ggf", INSIDE},         {"ggfs", INSIDE},        {"gmbh", MAYBE_LAST},
    {"godz", INSIDE},        {"gov", INSIDE},         {"govs", INSIDE},
    {"hon", INSIDE},         {"hr", INSIDE},          {"hrn", INSIDE},
    {"hrsg", INSIDE},        {"hwy", MAYBE_LAST},     {"ilma", INSIDE},
    {"ilmo", INSIDE},        {"inc", MAYBE_LAST},     {"incl", INSIDE},
    {"inkl", INSIDE},        {"insb", INSIDE},        {"insp", INSIDE},
    {"inż", INSIDE},         {"ir", INSIDE},          {"jan", MAYBE_LAST},
    {"jh", MAYBE_LAST},      {"jhd", MAYBE_LAST},     {"jhr", INSIDE},
    {"jr", MAYBE_LAST},      {"jul", MAYBE_LAST},     {"jun", MAYBE_LAST},
    {"kap", BEFORE_NUMBER},  {"ks", INSIDE},          {"lfd", INSIDE},
    {"lib", BEFORE_NUMBER},  {"lic", INSIDE},         {"llc", MAYBE_LAST},
    {"lt", INSIDE},          {"ltd", MAYBE_LAST},     {"ltda", MAYBE_LAST},
    {"maj", INSIDE},         {"mar", MAYBE_LAST},     {"mbh", MAYBE_LAST},
    {"mej", INSIDE},         {"messrs", INSIDE},      {"mevr", INSIDE},
    {"mgr", INSIDE},         {"mld", INSIDE},         {"mlle", INSIDE},
    {"mlles", INSIDE},       {"mln", INSIDE},         {"mme", INSIDE},
    {"mmes", INSIDE},        {"mr", INSIDE},          {"mrs", INSIDE},
    {"ms", INSIDE},          {"msgr", INSIDE},        {"mssrs", INSIDE},
    {"mt", INSIDE},          {"mtro", INSIDE},        {"mw", INSIDE},
    {"no", BEFORE_NUMBER},   {"nos", BEFORE_NUMBER},  {"nov", MAYBE_LAST},
    {"np", INSIDE},          {"nr", BEFORE_NUMBER},   {"num", BEFORE_NUMBER},
    {"nv", MAYBE_LAST},      {"n°", BEFORE_NUMBER},   {"nº", BEFORE_NUMBER},
    {"núm", INSIDE},         {"oct", MAYBE_LAST},     {"ofc", INSIDE},
    {"okt", MAYBE_LAST},     {"ongev", INSIDE},       {"p", BEFORE_NUMBER},
    {"pag", INSIDE},         {"pagg", INSIDE},        {"para", BEFORE_NUMBER},
    {"pfc", INSIDE},         {"pg", BEFORE_NUMBER},   {"ph", INSIDE},
    {"plc", MAYBE_LAST},     {"poz", BEFORE_NUMBER},  {"pp", BEFORE_NUMBER},
    {"pres", INSIDE},        {"prof", INSIDE},        {"prov", INSIDE},
    {"pvt", INSIDE},         {"pág", INSIDE},         {"págs", INSIDE},
    {"rd", MAYBE_LAST},      {"rep", INSIDE},         {"reps", INSIDE},
    {"resp", INSIDE},        {"rev", INSIDE},         {"rn", BEFORE_NUMBER},
    {"rt", INSIDE},          {"rz", BEFORE_NUMBER},   {"sarl", MAYBE_LAST},
    {"sec", BEFORE_NUMBER},  {"sect", INSIDE},        {"sen", INSIDE},
    {"sens", INSIDE},        {"sep", MAYBE_LAST},     {"sept", MAYBE_LAST},
    {"sfc", INSIDE},         {"sgt", INSIDE},         {"sig", INSIDE},
    {"sigg", INSIDE},        {"sigra", INSIDE},       {"sog", INSIDE},
    {"spett", INSIDE},       {"sr", INSIDE},          {"sra", INSIDE},
    {"sres", INSIDE},        {"srl", MAYBE_LAST},     {"srta", INSIDE},
    {"st", INSIDE},          {"ste", INSIDE},         {"str", BEFORE_NUMBER},
    {"supt", INSIDE},        {"surg", INSIDE},        {"tab", INSIDE},
    {"tbl", INSIDE},         {"tel", INSIDE},         {"tj", INSIDE},
    {"tys", INSIDE},         {"tzn", INSIDE},         {"tzw", INSIDE},
    {"ul", INSIDE},          {"univ", MAYBE_LAST},    {"ust", BEFORE_NUMBER},
    {"uä", MAYBE_LAST},      {"vgl", INSIDE},         {"viz", INSIDE},
    {"vol", BEFORE_NUMBER},  {"vols", BEFORE_NUMBER}, {"vs", INSIDE},
    {"wyd", INSIDE},         {"ziff", BEFORE_NUMBER}, {"zob", INSIDE},
    {"zzgl", INSIDE},        {"§", BEFORE_NUMBER},    {"éd", INSIDE},
    {"śp", INSIDE},          {"św", INSIDE},
};

static const char *const STARTERS[] = {
    "a",        "aan",        "aber",     "after",    "al",        "alcuni",      "ale",
    "algunos",  "alle",       "alors",    "als",      "although",  "am",          "an",
    "anche",    "and",        "another",  "antes",    "ao",        "apesar",      "après",
    "após",     "are",        "as",       "assim",    "así",       "at",          "até",
    "au",       "auch",       "aucun",    "auf",      "aunque",    "aus",         "aussi",
    "autre",    "aux",        "avant",    "avec",     "because",   "before",      "bei",
    "being",    "bij",        "bis",      "bo",       "both",      "but",         "by",
    "cada",     "can",        "ce",       "cela",     "celui",     "ces",         "cet",
    "cette",    "ceux",       "chaque",   "che",      "chi",       "ci",          "co",
    "com",      "come",       "comme",    "como",     "con",       "così",        "could",
    "cual",     "cuando",     "czy",      "da",       "daar",      "dal",         "dalla",
    "damit",    "dan",        "danach",   "dann",     "dans",      "das",         "dass",
    "dat",      "dazu",       "de",       "dei",      "del",       "della",       "delle",
    "dem",      "den",        "depois",   "depuis",   "der",       "des",         "desde",
    "después",  "deze",       "di",       "did",      "die",       "dies",        "diese",
    "dieser",   "dieses",     "dit",      "dla",      "dlatego",   "do",          "doch",
    "does",     "donc",       "donde",    "door",     "dopo",      "dos",         "dove",
    "du",       "due",        "durante",  "durch",    "dus",       "e",           "each",
    "echter",   "een",        "egli",     "ein",      "eine",      "einem",       "einen",
    "einer",    "el",         "ela",      "elas",     "ele",       "eles",        "elk",
    "ella",     "ellas",      "elle",     "elles",    "ellos",     "em",          "embora",
    "en",       "enfin",      "enquanto", "ensuite",  "entonces",  "então",       "er",
    "era",      "erst",       "es",       "esa",      "ese",       "eso",         "essa",
    "esse",     "essi",       "est",      "esta",     "estas",     "este",        "esto",
    "estos",    "et",         "eu",       "even",     "every",     "few",         "finally",
    "first",    "foi",        "for",      "from",     "fue",       "furthermore", "für",
    "gdy",      "gdzie",      "geen",     "gli",      "ha",        "haar",        "had",
    "has",      "hasta",      "have",     "hay",      "he",        "heeft",       "her",
    "here",     "het",        "hier",     "hij",      "his",       "hoe",         "how",
    "however",  "hun",        "há",       "i",        "ich",       "if",          "ihr",
    "ik",       "il",         "ils",      "im",       "in",        "instead",     "io",
    "is",       "isso",       "ist",      "it",       "its",       "ja",          "jak",
    "jako",     "je",         "jede",     "jeder",    "jednak",    "jego",        "jej",
    "jest",     "jeśli",      "just",     "já",       "kan",       "każdy",       "kein",
    "kiedy",    "kto",        "która",    "które",    "który",     "la",          "las",
    "last",     "later",      "le",       "lecz",     "les",       "leur",        "leurs",
    "lo",       "loro",       "lorsque",  "los",      "ma",        "maar",        "mais",
    "malgré",   "mam",        "man",      "many",     "mas",       "may",         "mentre",
    "met",      "mientras",   "mimo",     "mit",      "moja",      "molti",       "more",
    "moreover", "most",       "muchos",   "muitos",   "my",        "na",          "naar",
    "nach",     "nad",        "nas",      "ne",       "nel",       "nella",       "nicht",
    "nie",      "niektóre",   "niet",     "no",       "noch",      "nog",         "noi",
    "non",      "nonostante", "nor",      "nos",      "nosotros",  "nossa",       "not",
    "notre",    "nous",       "now",      "nu",       "nun",       "nur",         "não",
    "nós",      "o",          "ob",       "od",       "oder",      "of",          "ogni",
    "ohne",     "om",         "omdat",    "on",       "ona",       "once",        "onde",
    "onder",    "one",        "oni",      "only",     "ons",       "ook",         "op",
    "or",       "oraz",       "os",       "other",    "ou",        "our",         "over",
    "où",       "par",        "para",     "parce",    "pela",      "pelo",        "pendant",
    "per",      "perché",     "perhaps",  "pero",     "però",      "please",      "po",
    "pod",      "podczas",    "poi",      "ponieważ", "por",       "porque",      "pour",
    "pourquoi", "prima",      "przed",    "przez",    "przy",      "pues",        "puis",
    "quale",    "quand",      "quando",   "que",      "quel",      "quelle",      "quem",
    "questa",   "queste",     "questi",   "questo",   "qui",       "quien",       "quindi",
    "sa",       "sans",       "se",       "secondo",  "segundo",   "según",       "sein",
    "seine",    "selon",      "sem",      "ser",      "ses",       "seu",         "she",
    "should",   "si",         "sie",      "sin",      "since",     "sind",        "sinds",
    "się",      "so",         "sobre",    "solo",     "some",      "son",         "sono",
    "sous",     "still",      "su",       "sua",      "such",      "sul",         "suo",
    "sur",      "sus",        "są",       "ta",       "tak",       "także",       "tam",
    "también",  "também",     "te",       "tego",     "ten",       "than",        "that",
    "the",      "their",      "then",     "there",    "therefore", "these",       "they",
    "this",     "those",      "though",   "thus",     "to",        "todos",       "toen",
    "tot",      "tous",       "tout",     "toutes",   "tra",       "tras",        "très",
    "tu",       "tutti",      "tutto",    "twój",     "tylko",     "tym",         "uit",
    "um",       "uma",        "un",       "una",      "und",       "under",       "une",
    "unos",     "unser",      "until",    "van",      "veel",      "volgens",     "vom",
    "von",      "voor",       "vor",      "vos",      "vous",      "w",           "waar",
    "wann",     "wanneer",    "want",     "warum",    "was",       "wat",         "we",
    "wenn",     "wer",        "were",     "what",     "when",      "where",       "whether",
    "which",    "while",      "who",      "why",      "wie",       "wielu",       "wij",
    "will",     "wir",        "wird",     "with",     "więc",      "wo",          "worden",
    "would",    "wszyscy",    "y",        "ya",       "yes",       "yet",         "yo",
    "you",      "your",       "z",        "za",       "zal",       "ze",          "zij",
    "zijn",     "zo",         "zonder",   "zu",       "zum",       "zur",         "zwar",
    "à",        "è",          "über",     "że",
};

/* ASCII letters in lower case; TEXT_NONE: longer than any word of ours. */
static struct text lower(struct text word, char buffer[WORD_BYTES_MAX])
{
    if (word.bytes > WORD_BYTES_MAX)
        return TEXT_NONE;
    for (size_t i = 0; i < word.bytes; i++) {
        char c = word.start[i];
        buffer[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return (struct text){buffer, word.bytes};
}

enum abbreviation sentence_abbreviation(struct text word)
{
    char buffer[WORD_BYTES_MAX];
    size_t low = 0, high = COUNT_OF(ABBREVIATIONS);
    word = lower(word, buffer);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(word, text_from(ABBREVIATIONS[middle].word));
        if (order == 0)
            return ABBREVIATIONS[middle].kind;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return ABBREVIATION_NONE;
}

bool sentence_starter(struct text word)
{
    char buffer[WORD_BYTES_MAX];
    size_t low = 0, high = COUNT_OF(STARTERS);
    word = lower(word, buffer);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(word, text_from(STARTERS[middle]));
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
