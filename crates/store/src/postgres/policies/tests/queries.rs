//! Queries by chance: of every kind that the dialect has, most of which have an answer.

/// Numbers that look random, from a seed (splitmix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const TABLES: &[&str] =
    &["patient", "observation", "bundle", "\"group\"", "{{!params.resource/type}}"];
const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'A'",
    "'é'",
    "'z'",
    "'p1'",
    "'p2'",
    "'Patient'",
    "'Patient/p1'",
    "'a/b//c'",
    "'%'",
    "'_1'",
    "'p\\_1'",
    "'5'",
    "' -5 '",
    "'+7'",
    "'1.50'",
    "'1e2'",
    "'0x1F'",
    "'1_000'",
    "'.5'",
    "'5.'",
    "'NaN'",
    "'Infinity'",
    "'1e1001'",
    "'true'",
    "' Off'",
    "'y'",
    "'2147483648'",
    "'9223372036854775808'",
    "'{\"a\": [1, {\"b\": null}]}'",
    "'[1.0, \"x\"]'",
    "'null'",
    "'\"x\"'",
    "'{\"a\":1,\"a\":2}'",
    "'{'",
    "$$it's$$",
    "null::text",
    "{{params.id}}",
    "{{params.text}}",
    "{{user.id}}",
];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "5",
    "2147483648",
    "-2147483649",
    "null::int",
    "{{jwt.n}}",
    "{{jwt.big}}",
];
const NUMERICS: &[&str] = &[
    "1.0",
    "1.50",
    "0.1",
    "1e2",
    "-0.0",
    "2.5e-3",
    "null::numeric",
    "{{jwt.d}}",
    "'1e1000'::numeric",
];
const JSONS: &[&str] = &[
    "'1'::jsonb",
    "'1.50'::jsonb",
    "'1e2'::jsonb",
    "'null'::jsonb",
    "'true'::jsonb",
    "'\"p1\"'::jsonb",
    "'[]'::jsonb",
    "'{}'::jsonb",
    "'[1, 2.0, [3], \"a\"]'::jsonb",
    "'[{\"a\": 1}, {\"b\": [1, 2]}]'::jsonb",
    "'{\"a\": {\"b\": [1, {\"c\": \"x\"}]}, \"n\": 1.00, \"aa\": null}'::jsonb",
    "'{\"reference\": \"Patient/p1\", \"id\": \"p1\", \"resourceType\": \"Patient\"}'::jsonb",
    "null::jsonb",
    "{{resource}}::jsonb",
    "{{params.list}}::jsonb",
];
const KEYS: &[&str] = &[
    "'id'",
    "'a'",
    "'n'",
    "'subject'",
    "'resourceType'",
    "'reference'",
    "'name'",
    "'contained'",
    "'entry'",
    "'valueQuantity'",
    "'active'",
    "'0'",
    "{{params.text}}",
];
const PATHS: &[&str] = &[
    "'{}'",
    "'{id}'",
    "'{a,b,1}'",
    "'{a,b,-1,c}'",
    "'{0}'",
    "'{subject,id}'",
    "'{subject,reference}'",
    "'{contained,0,id}'",
    "'{entry,0,resource,id}'",
    "'{name,0,given,1}'",
    "'{valueQuantity,value}'",
    "'{a,+0}'",
    "'{a,99999999999}'",
];

/// Makes queries, whose parts know the sources around them.
pub(super) struct Maker {
    pub(super) chance: Chance,
    sources: usize,
    /// Names of tables and of elements that can be named here.
    tables: Vec<String>,
    elements: Vec<String>,
}

impl Maker {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: Chance(seed), sources: 0, tables: Vec::new(), elements: Vec::new() }
    }

    /// A query, most often of one boolean.
    pub(super) fn query(&mut self) -> String {
        match self.chance.below(8) {
            0 => self.select(4, Self::integer),
            1 => self.select(3, Self::text),
            2 => self.select(3, Self::json),
            _ => self.select(5, Self::boolean),
        }
    }

    fn select(&mut self, depth: usize, column: fn(&mut Self, usize) -> String) -> String {
        let (tables, elements) = (self.tables.len(), self.elements.len());
        let mut from = String::new();
        for index in 0..self.chance.below(4).min(depth) {
            from.push_str(&self.source(index == 0, depth));
        }
        let filter = if self.chance.percent(50) {
            format!(" where {}", self.boolean(depth - 1))
        } else {
            String::new()
        };
        let counted = self.chance.percent(30);
        let columns = if counted {
            // Beside it no column of these rows may stand.
            self.tables.truncate(tables);
            self.elements.truncate(elements);
            format!("count(*) {} {}", self.operator(), self.integer(0))
        } else {
            column(self, depth - 1)
        };
        self.tables.truncate(tables);
        self.elements.truncate(elements);
        let limit = if self.chance.percent(25) { " limit 1" } else { "" };
        format!("select {columns}{from}{filter}{limit}")
    }

    fn source(&mut self, first: bool, depth: usize) -> String {
        self.sources += 1;
        let name = format!("s{}", self.sources);
        let is_table = self.chance.percent(70);
        let rows = if is_table {
            self.chance.one(TABLES).to_owned()
        } else {
            let list = match self.chance.below(3) {
                0 => self
                    .chance
                    .one(&[
                        "'[]'",
                        "'[1, 1.0, \"a\", null]'",
                        "'[{\"a\": 1}, [2], true]'",
                        "'{}'",
                        "{{params.list}}::jsonb",
                    ])
                    .to_owned(),
                1 => format!("{} -> 'name'", self.json(0)),
                _ => format!("coalesce({} #> '{{a,b}}', '[1]')", self.json(depth.min(1))),
            };
            format!("jsonb_array_elements({list})")
        };
        let join = if first { 0 } else { self.chance.below(4) };
        if is_table {
            self.tables.push(name.clone())
        } else {
            self.elements.push(name.clone())
        }
        match join {
            _ if first => format!(" from {rows} {name}"),
            0 => format!(", {rows} {name}"),
            1 => format!(" cross join {rows} {name}"),
            2 => format!(" join {rows} {name} on {}", self.condition_on(&name, is_table)),
            _ => format!(" left join {rows} {name} on {}", self.condition_on(&name, is_table)),
        }
    }

    /// A condition that names the source it joins alone: those before a comma are not seen there.
    fn condition_on(&mut self, name: &str, is_table: bool) -> String {
        let (tables, elements) = if is_table {
            (vec![name.to_owned()], Vec::new())
        } else {
            (Vec::new(), vec![name.to_owned()])
        };
        let (tables, elements) = (
            std::mem::replace(&mut self.tables, tables),
            std::mem::replace(&mut self.elements, elements),
        );
        let condition = self.boolean(2);
        (self.tables, self.elements) = (tables, elements);
        condition
    }

    fn operator(&mut self) -> &'static str {
        self.chance.one(&["=", "<>", "<", "<=", ">", ">="])
    }

    fn boolean(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.chance.one(&["true", "false", "null::boolean", "{{jwt.t}}"]).to_owned();
        }
        let below = depth - 1;
        match self.chance.below(19) {
            0 => format!("({} and {})", self.boolean(below), self.boolean(below)),
            1 => format!("({} or {})", self.boolean(below), self.boolean(below)),
            2 => format!("(not {})", self.boolean(below)),
            3 => {
                let test = self.chance.one(&[
                    "true",
                    "false",
                    "not true",
                    "not false",
                    "null",
                    "not null",
                ]);
                format!("({} is {test})", self.boolean(below))
            }
            4 | 5 => format!("({} {} {})", self.text(below), self.operator(), self.text(below)),
            6 => format!("({} {} {})", self.integer(below), self.operator(), self.integer(below)),
            7 => format!("({} {} {})", self.numeric(below), self.operator(), self.numeric(below)),
            8 => {
                let operator = self.chance.one(&["=", "<>"]);
                format!("({} {operator} {})", self.json(below), self.json(below))
            }
            9 | 10 => format!("({} @> {})", self.json(below), self.json(below)),
            11 => format!("({} like {})", self.text(below), self.text(below)),
            12 => {
                let not = self.chance.one(&["", "not "]);
                format!("({} {not}in ({}, {}))", self.text(below), self.text(below), self.text(0))
            }
            13 => format!("({} in ({}, {}))", self.json(below), self.json(below), self.json(0)),
            14 => {
                let not = self.chance.one(&["", "not "]);
                format!("({} {not}in ({}))", self.text(below), self.select(depth, Self::text))
            }
            15 => format!(
                "{}exists ({})",
                self.chance.one(&["", "not "]),
                self.select(depth, Self::boolean)
            ),
            16 => {
                let null = self.chance.one(&["null", "not null"]);
                let value = match self.chance.below(4) {
                    0 => self.text(below),
                    1 => self.integer(below),
                    2 => self.numeric(below),
                    _ => self.json(below),
                };
                format!("({value} is {null})")
            }
            17 => format!(
                "({})::boolean",
                if self.chance.percent(50) { self.text(below) } else { self.json(below) }
            ),
            _ => format!("coalesce({}, {})", self.boolean(below), self.boolean(0)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance.percent(20) {
            if !self.tables.is_empty() && self.chance.percent(40) {
                let table = self.chance.below(self.tables.len());
                return format!("{}.id", self.tables[table]);
            }
            return self.chance.one(TEXTS).to_owned();
        }
        let below = depth - 1;
        match self.chance.below(9) {
            0 => format!("({} || {})", self.text(below), self.text(below)),
            1 | 2 => format!("({} ->> {})", self.json(below), self.chance.one(KEYS)),
            3 => format!("({} ->> {})", self.json(below), self.integer(0)),
            4 | 5 => format!("({} #>> {})", self.json(below), self.chance.one(PATHS)),
            6 => {
                let (of, by) =
                    (self.text(below), self.chance.one(&["'/'", "'a'", "''", "{{params.text}}"]));
                format!("split_part({of}, {by}, {})", self.integer(0))
            }
            7 => {
                let of = match self.chance.below(4) {
                    0 => self.boolean(below),
                    1 => self.integer(below),
                    2 => self.numeric(below),
                    _ => self.json(below),
                };
                format!("({of})::text")
            }
            _ => format!("coalesce({}, {})", self.text(below), self.text(0)),
        }
    }

    fn integer(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance.percent(40) {
            if !self.tables.is_empty() && self.chance.percent(25) {
                let table = self.chance.below(self.tables.len());
                return format!("{}.version", self.tables[table]);
            }
            return self.chance.one(INTEGERS).to_owned();
        }
        let below = depth - 1;
        match self.chance.below(5) {
            0 => format!("({})::int", self.text(below)),
            1 => format!("({})::bigint", self.text(below)),
            2 => format!("({})::int", self.integer(below)),
            3 => format!(
                "(select count(*) from {} x where {})",
                self.chance.one(TABLES),
                self.boolean(below)
            ),
            _ => format!("coalesce({}, {})", self.integer(below), self.integer(0)),
        }
    }

    fn numeric(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance.percent(40) {
            return self.chance.one(NUMERICS).to_owned();
        }
        let below = depth - 1;
        match self.chance.below(4) {
            0 => format!("({})::numeric", self.integer(below)),
            1 => format!("({})::numeric", self.text(below)),
            2 => format!("({})::numeric", self.json(below)),
            _ => format!("coalesce({}, {})", self.numeric(below), self.numeric(0)),
        }
    }

    fn json(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance.percent(25) {
            if !self.tables.is_empty() && self.chance.percent(50) {
                let table = self.chance.below(self.tables.len());
                return format!("{}.resource", self.tables[table]);
            }
            if !self.elements.is_empty() && self.chance.percent(50) {
                let element = self.chance.below(self.elements.len());
                return format!("{}.value", self.elements[element]);
            }
            return self.chance.one(JSONS).to_owned();
        }
        let below = depth - 1;
        match self.chance.below(9) {
            0 | 1 => format!("({} -> {})", self.json(below), self.chance.one(KEYS)),
            2 => format!("({} -> {})", self.json(below), self.integer(0)),
            3 | 4 => format!("({} #> {})", self.json(below), self.chance.one(PATHS)),
            5 => format!("({} || {})", self.json(below), self.json(below)),
            6 => {
                let value = match self.chance.below(5) {
                    0 => self.text(below),
                    1 => self.integer(below),
                    2 => self.numeric(below),
                    3 => self.boolean(below),
                    _ => self.json(below),
                };
                if self.chance.percent(50) {
                    format!("jsonb_build_array({value}, {})", self.json(0))
                } else {
                    format!("jsonb_build_object({}, {value})", self.text(0))
                }
            }
            7 => format!("({})::jsonb", self.text(below)),
            _ => format!("coalesce({}, {})", self.json(below), self.json(0)),
        }
    }
}
