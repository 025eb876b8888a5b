//! The vector files that `tools/oracles/generate.py` writes; its `vectors.py` describes the format.

use super::state::{FIRST_SCALAR, FIRST_VECTOR, State};

/// One instruction text and its cases.
#[derive(Debug)]
pub(crate) struct Group {
    /// The instruction under test, with its encoding suffix.
    pub mnemonic: String,
    /// Where the expected results come from.
    pub source: String,
    /// Lines of assembly.
    pub code: Vec<String>,
    /// A case is a lane of one wave; otherwise a wave.
    pub by_lane: bool,
    shared: Vec<(Column, String)>,
    inputs: Vec<Column>,
    outputs: Vec<Column>,
    cases: Vec<(Vec<String>, Vec<String>)>,
}

/// What a value of a case is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub place: Place,
    /// How results compare.
    pub class: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// First register and dwords.
    Vector(usize, usize),
    Scalar(usize, usize),
    /// A lane's bit of VCC (`None`) or of a register pair.
    Bit(Option<usize>),
    Vcc,
    Exec,
    Scc,
    M0,
    Mode,
    Memory,
    Lds,
}

impl Column {
    fn parse(text: &str) -> Column {
        let (name, class) = match text.strip_prefix("bit:") {
            Some(register) => return Column { place: Place::Bit(number(register)), class: String::new() },
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let (register, dwords) = name.split_once('.').unwrap_or((name, "1"));
        let dwords = dwords.parse().expect("a number of dwords");
        let place = match name {
            "vcc" => Place::Vcc,
            "exec" => Place::Exec,
            "scc" => Place::Scc,
            "m0" => Place::M0,
            "mode" => Place::Mode,
            "mem" => Place::Memory,
            "lds" => Place::Lds,
            _ if name.starts_with('v') => Place::Vector(number(register).expect("a register"), dwords),
            _ => Place::Scalar(number(register).expect("a register"), dwords),
        };
        Column { place, class: class.to_owned() }
    }
}

/// 22 of "s22", none of "vcc".
fn number(register: &str) -> Option<usize> {
    register[1..].parse().ok()
}

/// All groups of a file.
pub(crate) fn parse(file: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for line in file.lines() {
        let (mark, rest) = line.split_at(1.min(line.len()));
        let rest = rest.trim_start();
        let columns = || rest.split_whitespace().map(Column::parse).collect();
        match mark {
            "#" | "" => {}
            "=" => groups.push(Group::head(rest)),
            _ => {
                let group = groups.last_mut().expect("a head first");
                match mark {
                    "|" => group.code.push(rest.to_owned()),
                    "<" => group.inputs = columns(),
                    ">" => group.outputs = columns(),
                    "u" => group.shared = rest.split_whitespace().map(assignment).collect(),
                    _ => group.cases.push(case(line)),
                }
            }
        }
    }
    groups
}

fn assignment(text: &str) -> (Column, String) {
    let (name, value) = text.split_once('=').expect("name=value");
    (Column::parse(name), value.to_owned())
}

fn case(line: &str) -> (Vec<String>, Vec<String>) {
    let (inputs, outputs) = line.split_once(';').expect("inputs ; outputs");
    let values = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    (values(inputs), values(outputs))
}

impl Group {
    fn head(text: &str) -> Group {
        let [mnemonic, source, kind] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("three fields: {text}")
        };
        Group {
            mnemonic: mnemonic.into(),
            source: source.into(),
            code: Vec::new(),
            by_lane: kind == "lane",
            shared: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            cases: Vec::new(),
        }
    }

    /// Number of cases.
    pub(crate) fn len(&self) -> usize {
        self.cases.len()
    }

    /// Vector and scalar registers that the cases name, at least one of each: (`v2`…, `s16`…).
    pub(crate) fn registers(&self) -> (usize, usize) {
        let (mut vectors, mut scalars) = (1, 1);
        for column in self.inputs.iter().chain(&self.outputs).chain(self.shared.iter().map(|(c, _)| c)) {
            match column.place {
                Place::Vector(first, dwords) => vectors = vectors.max(first + dwords - FIRST_VECTOR),
                Place::Scalar(first, dwords) => scalars = scalars.max(first + dwords - FIRST_SCALAR),
                Place::Bit(Some(first)) => scalars = scalars.max(first + 2 - FIRST_SCALAR),
                _ => {}
            }
        }
        (vectors, scalars)
    }

    /// Whether the cases set or expect a place.
    pub(crate) fn uses(&self, place: &Place) -> bool {
        self.inputs.iter().chain(&self.outputs).any(|column| column.place == *place)
    }

    /// How a vector register's results compare.
    pub(crate) fn class_of(&self, register: usize) -> Option<(&str, usize, usize)> {
        self.outputs.iter().find_map(|column| match column.place {
            Place::Vector(first, dwords) if (first..first + dwords).contains(&register) => {
                Some((column.class.as_str(), first, dwords))
            }
            _ => None,
        })
    }

    /// Whether a scalar register's (one dword) or VCC's result is not looked at.
    pub(crate) fn ignores(&self, place: &Place) -> bool {
        self.outputs.iter().filter(|column| column.class == "any").any(|column| {
            match (&column.place, place) {
                (Place::Scalar(first, dwords), Place::Scalar(register, _)) => {
                    (*first..first + dwords).contains(register)
                }
                (ignored, place) => ignored == place,
            }
        })
    }

    /// Before and after, for each wave.
    pub(crate) fn waves(&self) -> Vec<(State, State)> {
        let (vectors, scalars) = self.registers();
        let mut start = State::new(vectors, scalars);
        for (column, value) in &self.shared {
            start.set(column, value, None);
        }
        if !self.by_lane {
            return self.cases.iter().map(|case| self.wave(&start, case)).collect();
        }
        let mut before = start;
        for lane in 0..64 {
            self.apply(&mut before, &self.inputs, &self.cases[lane % self.cases.len()].0, Some(lane));
        }
        let mut after = before.clone();
        for lane in 0..64 {
            self.apply(&mut after, &self.outputs, &self.cases[lane % self.cases.len()].1, Some(lane));
        }
        vec![(before, after)]
    }

    fn wave(&self, start: &State, (inputs, outputs): &(Vec<String>, Vec<String>)) -> (State, State) {
        let mut before = start.clone();
        self.apply(&mut before, &self.inputs, inputs, None);
        let mut after = before.clone();
        self.apply(&mut after, &self.outputs, outputs, None);
        (before, after)
    }

    fn apply(&self, state: &mut State, columns: &[Column], values: &[String], lane: Option<usize>) {
        assert_eq!(columns.len(), values.len(), "{} {:?}: {values:?}", self.mnemonic, self.code);
        for (column, value) in columns.iter().zip(values) {
            state.set(column, value, lane);
        }
    }
}
