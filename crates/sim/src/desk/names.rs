/// One language of the desk's customers.
pub(super) struct Language {
    pub(super) code: &'static str,
    /// Of 1,000 customers, how many.
    weight: u64,
    /// Country and its telephone prefix.
    pub(super) countries: &'static [(&'static str, &'static str)],
    pub(super) given: &'static [&'static str],
    pub(super) family: &'static [&'static str],
    /// For mail addresses.
    pub(super) latin_given: &'static [&'static str],
    pub(super) latin_family: &'static [&'static str],
    pub(super) family_first: bool,
    /// Between the two names.
    pub(super) gap: &'static str,
}

impl Language {
    /// Returns the language of a draw from 0 to 999.
    pub(super) fn pick(draw: u64) -> &'static Language {
        let mut left = draw;
        for language in LANGUAGES {
            if left < language.weight {
                return language;
            }
            left -= language.weight;
        }
        &ENGLISH
    }
}

pub(super) const PRODUCTS: &[&str] =
    &["antivirus", "antivirus", "vpn", "password-manager", "family", "premium"];

pub(super) const SUBJECTS: &[&str] = &[
    "cannot activate the licence",
    "charged twice for the renewal",
    "update fails at 43%",
    "quarantine removed my file",
    "VPN drops every few minutes",
    "wants a refund",
    "moved to a new computer",
    "lost the master password",
    "computer slow since the update",
    "strange call about the subscription",
];

const ENGLISH: Language = Language {
    code: "en",
    weight: 450,
    countries: &[
        ("US", "1"),
        ("US", "1"),
        ("GB", "44"),
        ("GB", "44"),
        ("CA", "1"),
        ("AU", "61"),
        ("IE", "353"),
    ],
    given: EN_GIVEN,
    family: EN_FAMILY,
    latin_given: &["james", "mary", "olivia", "jack", "amelia", "noah", "priya", "grace"],
    latin_family: &["smith", "jones", "taylor", "brown", "obrien", "patel", "walker", "hughes"],
    family_first: false,
    gap: " ",
};
const EN_GIVEN: &[&str] = &[
    "James", "Mary", "Olivia", "Jack", "Amelia", "Noah", "Priya", "Grace", "Liam", "Emma", "Henry", "Zoë",
    "Owen", "Chloe", "Samuel", "Aisha", "Thomas", "Ruth", "Callum", "Niamh",
];
const EN_FAMILY: &[&str] = &[
    "Smith",
    "Jones",
    "Taylor",
    "Brown",
    "O'Brien",
    "Patel",
    "Walker",
    "Hughes",
    "Nguyen",
    "Clark",
    "Robinson",
    "Lewis",
    "Okafor",
    "Campbell",
    "Murphy",
    "Baker",
    "Ward",
    "St. John",
    "Fitzgerald",
    "Young",
];

static LANGUAGES: &[Language] = &[
    ENGLISH,
    Language {
        code: "pt",
        weight: 110,
        countries: &[("BR", "55"), ("BR", "55"), ("BR", "55"), ("PT", "351")],
        given: &[
            "João",
            "Maria",
            "Ana",
            "José",
            "Conceição",
            "Antônio",
            "Luíza",
            "Thiago",
            "Inês",
            "Vitória",
        ],
        family: &["da Silva", "Souza", "Araújo", "Gonçalves", "Magalhães", "dos Santos", "Falcão", "Brandão"],
        latin_given: &["joao", "maria", "ana", "jose", "luiza", "thiago"],
        latin_family: &["silva", "souza", "araujo", "goncalves", "santos"],
        family_first: false,
        gap: " ",
    },
    Language {
        code: "es",
        weight: 110,
        countries: &[("ES", "34"), ("MX", "52"), ("AR", "54"), ("CO", "57")],
        given: &["José", "María", "Lucía", "Ángel", "Begoña", "Iñaki", "Sofía", "Martín", "Íñigo", "Ximena"],
        family: &["García", "Muñoz", "Peña Ortiz", "Rodríguez", "Núñez", "Ibáñez", "López", "Güemes"],
        latin_given: &["jose", "maria", "lucia", "angel", "sofia", "martin"],
        latin_family: &["garcia", "munoz", "pena", "rodriguez", "lopez"],
        family_first: false,
        gap: " ",
    },
    Language {
        code: "de",
        weight: 100,
        countries: &[("DE", "49"), ("DE", "49"), ("AT", "43"), ("CH", "41")],
        given: &["Jürgen", "Käthe", "Anna", "Björn", "Lukas", "Mia", "Sören", "Änne", "Felix", "Greta"],
        family: &["Müller", "Schröder", "Weiß", "Jäger", "von Bülow", "Größmann", "Schmidt", "Köhler"],
        latin_given: &["juergen", "anna", "bjoern", "lukas", "mia", "felix"],
        latin_family: &["mueller", "schroeder", "weiss", "jaeger", "schmidt"],
        family_first: false,
        gap: " ",
    },
    Language {
        code: "fr",
        weight: 80,
        countries: &[("FR", "33"), ("FR", "33"), ("BE", "32"), ("CA", "1")],
        given: &["François", "Élodie", "Zoé", "Jérôme", "Noël", "Camille", "Anaïs", "Hélène", "Loïc"],
        family: &["Lefèvre", "Dubois", "Gauthier", "d'Aubigné", "Bérard", "Côté", "Moreau", "Garçon"],
        latin_given: &["francois", "elodie", "zoe", "jerome", "camille"],
        latin_family: &["lefevre", "dubois", "gauthier", "moreau", "cote"],
        family_first: false,
        gap: " ",
    },
    Language {
        code: "ja",
        weight: 60,
        countries: &[("JP", "81")],
        given: &["翔太", "美咲", "大輔", "さくら", "健一", "陽菜", "拓也", "葵"],
        family: &["佐藤", "鈴木", "高橋", "田中", "渡辺", "伊藤", "山本", "小林"],
        latin_given: &["shota", "misaki", "daisuke", "sakura", "kenichi"],
        latin_family: &["sato", "suzuki", "takahashi", "tanaka", "yamamoto"],
        family_first: true,
        gap: " ",
    },
    Language {
        code: "zh",
        weight: 40,
        countries: &[("TW", "886"), ("HK", "852"), ("SG", "65")],
        given: &["伟", "芳", "秀英", "娜", "磊", "静", "志明", "淑芬"],
        family: &["王", "李", "张", "劉", "陳", "黃", "林", "歐陽"],
        latin_given: &["wei", "fang", "na", "lei", "chihming"],
        latin_family: &["wang", "li", "zhang", "liu", "chen"],
        family_first: true,
        gap: "",
    },
    Language {
        code: "ar",
        weight: 25,
        countries: &[("AE", "971"), ("EG", "20"), ("MA", "212")],
        given: &["محمد", "فاطمة", "أحمد", "مريم", "يوسف", "ليلى"],
        family: &["الخطيب", "حسن", "العمري", "منصور", "بن علي", "النجار"],
        latin_given: &["mohamed", "fatima", "ahmed", "maryam", "layla"],
        latin_family: &["alkhatib", "hassan", "mansour", "najjar"],
        family_first: false,
        gap: " ",
    },
    Language {
        code: "hi",
        weight: 25,
        countries: &[("IN", "91")],
        given: &["आरव", "प्रिया", "विवान", "अनन्या", "रोहन", "दीया"],
        family: &["शर्मा", "वर्मा", "गुप्ता", "सिंह", "अग्रवाल", "जोशी"],
        latin_given: &["aarav", "priya", "rohan", "ananya", "diya"],
        latin_family: &["sharma", "verma", "gupta", "singh", "joshi"],
        family_first: false,
        gap: " ",
    },
];
