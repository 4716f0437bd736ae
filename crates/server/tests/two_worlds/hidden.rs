//! What only one world holds: rows that no caller may see, another world's being others.
//!
//! They refer to each other and to visible rows, have the values that callers search for, and many
//! versions. None may meet the rows of a policy: no patient has `dr1` as practitioner or is tagged
//! `study`, no practitioner is active, no encounter is of `dept1`, no observation is final; and what
//! they refer to that callers may change makes none of them visible.

use serde_json::{Value, json};

use crate::random::Random;

/// Ids below this are taken by hidden rows: `z0`, `z1` and so on.
pub(crate) const HIDDEN_IDS: usize = 12;

const TYPES: &[&str] = &[
    "Patient",
    "Patient",
    "Practitioner",
    "Encounter",
    "Encounter",
    "Observation",
    "Observation",
    "Observation",
    "Condition",
    "MedicationRequest",
    "List",
    "Group",
    "Provenance",
];
const FAMILIES: &[&str] = &["Zorro", "Ames", "Zimmer", "Drake", "Cole", "Zorn", "Aaron"];
const CODES: &[&str] = &["8867-4", "718-7", "29463-7", "85354-9"];
const VISIBLE: &[&str] = &[
    "Patient/a",
    "Patient/b",
    "Observation/a1",
    "Observation/b1",
    "Encounter/a1",
    "Condition/a1",
    "Practitioner/dr1",
    "Group/g1",
    "List/a1",
];

/// One world's source of hidden rows.
pub(crate) struct Hidden {
    random: Random,
    canary: String,
    made: usize,
}

/// One write of a row.
pub(crate) enum RowWrite {
    Put(Value),
    Delete(String),
}

impl Hidden {
    pub(crate) fn new(seed: u64, world: &str) -> Self {
        let canary = format!("canary-{world}");
        Self { random: Random::new(seed), canary, made: 0 }
    }

    /// The text that every hidden row of this world holds, and no request.
    pub(crate) fn canary(&self) -> &str {
        &self.canary
    }

    /// Any write of any hidden row.
    pub(crate) fn write(&mut self) -> RowWrite {
        let of = *self.random.pick(TYPES);
        if self.random.percent(12) {
            return RowWrite::Delete(format!("{of}/{}", self.id()));
        }
        let id = self.id();
        RowWrite::Put(self.row(of, &id))
    }

    /// How many hidden writes come next.
    pub(crate) fn some(&mut self, most: usize) -> usize {
        self.random.below(most + 1)
    }

    /// Hidden content for a row.
    pub(crate) fn row(&mut self, of: &str, id: &str) -> Value {
        self.made += 1;
        let canary = format!("{}-{}", self.canary, self.made);
        let mut row = match of {
            "Patient" => self.patient(&canary),
            "Practitioner" => self.practitioner(&canary),
            "Encounter" => self.encounter(&canary),
            "Observation" => self.observation(&canary),
            "Condition" => self.condition(&canary),
            "MedicationRequest" => self.medication_request(&canary),
            "List" => self.list(&canary),
            "Group" => self.group(&canary),
            "Provenance" => self.provenance(&canary),
            _ => panic!("no hidden {of}"),
        };
        row["resourceType"] = of.into();
        row["id"] = id.into();
        row
    }

    fn id(&mut self) -> String {
        format!("z{}", self.random.below(HIDDEN_IDS))
    }

    fn hidden(&mut self, of: &str) -> Value {
        json!({"reference": format!("{of}/{}", self.id())})
    }

    fn visible(&mut self) -> Value {
        json!({"reference": *self.random.pick(VISIBLE)})
    }

    fn date(&mut self) -> String {
        format!("20{:02}-0{}-01", self.random.below(22), 1 + self.random.below(9))
    }

    fn patient(&mut self, canary: &str) -> Value {
        let value = format!("id-{}", self.random.pick(&["a", "b", "z", "z1", "z2"]));
        json!({
            "meta": {"tag": [{"code": "other"}]},
            "active": self.random.percent(50),
            "name": [{"family": *self.random.pick(FAMILIES), "given": [canary]}],
            "gender": *self.random.pick(&["male", "female", "other"]),
            "birthDate": self.date(),
            "identifier": [{"system": "http://ids.example.com", "value": value}],
            "generalPractitioner": [self.hidden("Practitioner")],
            "managingOrganization": {"reference": "Organization/dept1"},
            "link": [
                {"other": {"reference": "Patient/a"}, "type": "seealso"},
                {"other": self.hidden("Patient"), "type": "refer"},
            ],
        })
    }

    fn practitioner(&mut self, canary: &str) -> Value {
        json!({
            "active": false,
            "name": [{"family": *self.random.pick(FAMILIES), "given": [canary]}],
            "gender": *self.random.pick(&["male", "female"]),
            "birthDate": self.date(),
        })
    }

    fn encounter(&mut self, canary: &str) -> Value {
        json!({
            "status": *self.random.pick(&["finished", "planned"]),
            "class": {"code": "AMB"},
            "type": [{"text": canary}],
            "subject": self.hidden("Patient"),
            "period": {"start": self.date()},
            "serviceProvider": {"reference": "Organization/dept2"},
            "participant": [{"individual": {"reference": "Practitioner/dr1"}}],
            "partOf": {"reference": "Encounter/a1"},
        })
    }

    fn observation(&mut self, canary: &str) -> Value {
        let encounter = match self.random.percent(50) {
            true => json!({"reference": "Encounter/d2"}),
            false => self.hidden("Encounter"),
        };
        json!({
            "status": *self.random.pick(&["preliminary", "amended", "cancelled"]),
            "category": [{"coding": [{"code": "laboratory"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": *self.random.pick(CODES)}]},
            "subject": self.hidden("Patient"),
            "encounter": encounter,
            "effectiveDateTime": self.date(),
            "valueQuantity": {"value": self.random.below(200), "unit": canary},
            "performer": [{"reference": "Practitioner/dr1"}, self.hidden("Practitioner")],
            "focus": [self.visible()],
            "hasMember": [{"reference": "Observation/a1"}, self.hidden("Observation")],
        })
    }

    fn condition(&mut self, canary: &str) -> Value {
        json!({
            "code": {"text": *self.random.pick(&["diabetes", "measles"])},
            "note": [{"text": canary}],
            "subject": self.hidden("Patient"),
            "encounter": self.hidden("Encounter"),
            "asserter": {"reference": "Practitioner/dr1"},
            "onsetDateTime": self.date(),
            "evidence": [{"detail": [self.visible()]}],
        })
    }

    fn medication_request(&mut self, canary: &str) -> Value {
        json!({
            "status": *self.random.pick(&["active", "draft"]),
            "intent": "order",
            "medicationCodeableConcept": {"text": canary},
            "subject": self.hidden("Patient"),
            "encounter": self.hidden("Encounter"),
            "requester": {"reference": "Practitioner/dr1"},
            "authoredOn": self.date(),
        })
    }

    fn list(&mut self, canary: &str) -> Value {
        json!({
            "status": "current",
            "mode": "working",
            "title": canary,
            "subject": self.hidden("Patient"),
            "source": {"reference": "Practitioner/dr1"},
            "entry": [{"item": self.visible()}, {"item": self.hidden("Observation")}],
        })
    }

    fn group(&mut self, canary: &str) -> Value {
        json!({
            "type": "person",
            "actual": true,
            "name": canary,
            "member": [
                {"entity": self.hidden("Patient")},
                {"entity": {"reference": "Practitioner/dr1"}},
            ],
        })
    }

    fn provenance(&mut self, canary: &str) -> Value {
        json!({
            "target": [self.visible(), self.hidden("Observation")],
            "recorded": "2020-01-01T00:00:00Z",
            "agent": [{"who": {"display": canary, "reference": "Practitioner/dr1"}}],
        })
    }
}
