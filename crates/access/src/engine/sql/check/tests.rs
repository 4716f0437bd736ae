//! What the check takes, what it refuses, and with which words.

mod bindings;
mod bounds;
mod mutations;
mod types;

use firewarden_fhir::ResourceType;

use super::check;
use crate::policy_query::{PolicyQuery, Rows, Table, tables};

fn refusal(query: &str) -> String {
    match check(query) {
        Ok((checked, _)) => panic!("{query} was taken for {checked:?}"),
        Err(super::Refusal(told)) => told,
    }
}

fn checked(query: &str) -> PolicyQuery {
    check(query).unwrap_or_else(|refusal| panic!("{query}: {refusal:?}")).0
}

const SERVED: &[&str] = &[
    "select true",
    "SELECT true;",
    "select 1 = 1 and not false or null is null",
    "SELECT true FROM patient WHERE id = {{jwt.patient_id}} LIMIT 1;",
    "SELECT {{user}} IS NOT NULL AND {{user.data.practitioner_id}} IS NOT NULL
       AND {{uri}} LIKE '/fhir/Patient/%'
       AND resource->'generalPractitioner' @> jsonb_build_array(jsonb_build_object(
         'resourceType', 'Practitioner', 'id', {{user.data.practitioner_id}}::text))
     FROM patient WHERE id = {{params.resource/id}};",
    "SELECT 1 FROM condition c JOIN patient p ON (
       c.resource @> ($JSON${\"subject\":{\"id\":\"$JSON$ || p.id || $JSON$\",
         \"resourceType\":\"Patient\"}}$JSON$)::jsonb)
     WHERE {{user}} IS NOT NULL AND ({{user.data.practitioner_id}})::text IS NOT NULL
       AND ({{uri}})::text LIKE '/fhir/Condition/%' AND c.id = {{params.resource/id}}",
    "SELECT true from {{!params.resource/type}} limit 1",
    "select true from {{!params.resource/type}} r where r.id = {{params.resource/id}}",
    "select count(*) = 1 from patient where resource#>>'{managingOrganization,id}' = {{user.data.org}}",
    "select count(*) from patient",
    "select exists (select * from patient p where p.id = {{params.resource/id}})",
    "select exists (select 1 from jsonb_array_elements({{resource}}::jsonb->'participant') p where p->>'a' = 'b')",
    "select true from encounter e, jsonb_array_elements(e.resource->'participant') as p(item) \
     where p.item#>>'{individual,id}' = {{user.data.id}} and item->'x' is null limit 1",
    "select true from encounter e cross join lateral jsonb_array_elements(resource->'x') x where x.value->>0 = 'a' limit 1",
    "select true from encounter e left join jsonb_array_elements(resource->'x') x on true where value is null limit 1",
    "select true from patient where id in ('a', {{user.data.p}}) or id not in (select id from group_x.id) limit 1",
    "select true from patient p where p.id in (select resource#>>'{subject,id}' from observation) limit 1",
    "select (select version from patient where id = 'a') > 3",
    "select split_part({{uri}}, '/', 3) = 'Patient'",
    "select coalesce(resource->>'active', 'false') = 'true' from \"group\" where id = 'x'",
    "select (resource->>'active')::boolean is not true from patient where id = 'x'",
    "select '{\"a\": [1]}'::jsonb @> '{\"a\": []}'",
    "select {{params.n}}::int >= -5 and {{params.m}}::numeric < 1.5",
    "select updated > '2024-01-01' and updated < '2030-01-01T00:00:00Z'::timestamptz from patient where id = 'x'",
    "select cast({{jwt.exp}} as bigint) > 1",
    "select resource->'multipleBirthInteger' = '2' from Patient where patient.id = 'x'",
    "select true where {{user.data.admin}}",
    "select 'a' || {{user.id}} = 'ab', 2",
];

const NOT_SERVED: &[&str] = &[
    "",
    ";",
    "-- select true",
    "true",
    "select",
    "select true; select true",
    "insert into patient values ('x')",
    "update patient set id = 'x'",
    "delete from patient",
    "drop table patient",
    "create table x (id text)",
    "create view x as select true",
    "attach database 'x' as y",
    "pragma query_only = off",
    "copy patient to program 'sh'",
    "do $$ begin end $$",
    "explain select true",
    "prepare x as select true",
    "set role postgres",
    "begin",
    "call x()",
    "values (true)",
    "table patient",
    "with x as (select true) select * from x",
    "with x as (delete from patient returning true) select true from x",
    "with recursive x(n) as (select 1 union all select n + 1 from x) select true from x",
    "select true union select true",
    "select true except select false",
    "(select true)",
    "select true from patient for update",
    "select true from patient for share nowait",
    "select true into x from patient",
    "select distinct true from patient",
    "select true from patient group by id",
    "select true from patient having true",
    "select true from patient order by id",
    "select true from patient limit 1 offset 1",
    "select true from patient fetch first 1 row only",
    "select true from patient window w as (order by id)",
    "select * from patient",
    "select patient.* from patient",
    "select id from patient limit 1",
    "select id, count(*) from patient",
    "select count(*) + 1 from patient",
    "select count(id) from patient",
    "select count(distinct id) from patient",
    "select count(*) filter (where true) from patient",
    "select count(*) over () from patient",
    "select true from patient where count(*) = 1",
    "select true from pg_catalog.pg_user",
    "select true from public.patient",
    "select true from pg_user",
    "select true from sqlite_master",
    "select true from resource",
    "select true from secret",
    "select true from state",
    "select true from user",
    "select true from \"user\"",
    "select true from \"Patient\"",
    "select true from client",
    "select true from role",
    "select true from session",
    "select true from accesspolicy",
    "select true from tokenintrospector",
    "select true from auditevent",
    "select true from (select true) x",
    "select true from generate_series(1, 100000000)",
    "select true from json_each('[1]')",
    "select true from jsonb_array_elements('[1]') with ordinality",
    "select true from jsonb_array_elements('[1]') as x(a, b)",
    "select true from jsonb_array_elements('[1]', '[2]') x",
    "select true from jsonb_array_elements({{user}}::text) x",
    "select true from only patient",
    "select true from patient as p(a, b, c, d)",
    "select true from patient p, patient p",
    "select true from patient tablesample system (1)",
    "select true from patient natural join group",
    "select true from patient join observation using (id)",
    "select true from patient right join observation on true",
    "select true from patient full join observation on true",
    "select true from (patient p join observation o on true)",
    "select true from patient p, observation o join encounter e on p.id = o.id",
    "select id from patient, observation",
    "select packed from patient",
    "select body from patient",
    "select rowid from patient",
    "select ctid from patient",
    "select xmin from patient",
    "select p.key from patient p",
    "select patient from patient",
    "select x.id from patient p",
    "select patient.id from patient p",
    "select pg_sleep(60)",
    "select pg_read_file('/etc/passwd')",
    "select dblink('x', 'y')",
    "select load_extension('x')",
    "select set_config('a', 'b', false)",
    "select current_setting('a')",
    "select version()",
    "select now() > '2024-01-01'",
    "select current_user = 'x'",
    "select current_timestamp > '2024-01-01'",
    "select random() > 1",
    "select lower(id) = 'x' from patient",
    "select jsonb_array_elements('[true]')",
    "select {fn count(*)} from patient",
    "select jsonb_build_object('a')",
    "select jsonb_build_object(variadic '{a,b}')",
    "select coalesce()",
    "select split_part('a', 'b')",
    "select split_part('a', 'b', 'c')",
    "select jsonb_build_object('a' : 1)",
    "select 1 + 1",
    "select 1 = any (array[1])",
    "select (array[1])[1]",
    "select row(1)",
    "select (1, 2) = (1, 2)",
    "select case when true then true end",
    "select 1 between 0 and 2",
    "select id ilike 'x' from patient",
    "select id like 'x' escape '!' from patient",
    "select id ~ 'x' from patient",
    "select id similar to 'x' from patient",
    "select id = 'x' collate \"C\" from patient",
    "select resource ? 'x' from patient",
    "select resource @? '$.x' from patient",
    "select resource <@ '{}' from patient",
    "select resource - 'x' from patient",
    "select resource['x'] from patient",
    "select resource.name from patient",
    "select id is distinct from 'x' from patient",
    "select interval '1 day' is null",
    "select date '2024-01-01' is null",
    "select B'1' is null",
    "select 'x'::regclass is null",
    "select 'x'::varchar = 'x'",
    "select 'x'::char(1) = 'x'",
    "select '1'::json is null",
    "select '1'::numeric(3,1) = 1",
    "select 1_000 = 1000",
    "select 0x10 = 16",
    "select .5 = 0.5",
    "select 9999999999999999999999 = id from patient",
    "select :name = 'x'",
    "select @x = 'x'",
    "select ? = 'x'",
    "select true as \"\"",
    "select exists (select 1, (select true union select false))",
];

#[test]
fn queries_within_the_list_are_taken() {
    for query in SERVED.iter().filter(|query| !query.contains("group_x")) {
        checked(query);
    }
}

#[test]
fn queries_beyond_the_list_are_refused() {
    for query in NOT_SERVED {
        assert!(!refusal(query).is_empty(), "{query}");
    }
}

#[test]
fn a_refusal_shows_the_query_as_it_was_written() {
    for (query, part) in [
        ("select lower({{user.id}})", "the function `lower` is not served; count(*)"),
        ("select {{user.id}} between 'a' and {{uri}}", "`{{user.id}} BETWEEN 'a' AND {{uri}}`"),
        ("select {{!params.resource/type}}.id from patient", "`{{!params.resource/type}}`"),
        ("select true from patients", "did you mean `patient`?"),
        ("select true from", "not a query that is understood"),
        ("select {{user}}->'data' is null", "`{{path}}::jsonb`"),
        ("select id > 5 from patient", "of the type integer stands where one of the type text"),
    ] {
        let told = refusal(query);
        assert!(told.contains(part), "{query}: {told}");
        assert!(!told.contains(['\u{1}', '$']) && !told.ends_with('.'), "{told}");
    }
}

#[test]
fn a_rule_that_cannot_tell_is_doubted() {
    for (query, doubts) in [
        ("select {{user.id}} = 'a'", 0),
        ("select 1 from patient where id = {{user.id}} limit 1", 0),
        ("select true", 1),
        ("select {{user.id}}", 1),
        ("select null from {{!params.resource/type}}", 1),
        ("select true, {{user.id}}", 1),
        ("select {{uri}} like {{user.data.pattern}}", 1),
    ] {
        assert_eq!(check(query).unwrap().1.len(), doubts, "{query}: {:?}", check(query).unwrap().1);
    }
}

#[test]
fn every_type_of_fhir_but_the_record_of_events_is_a_table() {
    let all: Vec<ResourceType> = tables().collect();
    assert!(all.len() > 140);
    for of in ResourceType::all() {
        let name = of.name().to_ascii_lowercase();
        let read = check(&format!("select true from \"{name}\" limit 1"));
        assert_eq!(read.is_ok(), all.contains(&of), "{name}");
        assert_eq!(read.is_err(), of.is_own() || name == "auditevent", "{name}");
        let Ok((query, _)) = read else { continue };
        assert_eq!(query.select().sources[0].rows, Rows::Table(Table::Of(of)));
    }
}

#[test]
fn a_count_is_a_row_even_of_no_rows_and_stays_one() {
    let checked = |inner: &str| {
        let query = format!("select true from patient where not exists ({inner})");
        format!("{:?}", check(&query).unwrap().0.select())
    };
    let counted = checked("select count(*) from patient");
    assert_ne!(counted, checked("select true from patient"));
    assert!(counted.contains("counts: true"), "{counted}");
}
