-- The plus keeps the list from being looked up in an index, type by type: a rule names one.
CREATE OR REPLACE VIEW {schema}.{view} AS
  SELECT type, id, version, updated, body FROM {schema}.resource
  WHERE deleted = 0 AND +type IN ({codes});

-- The type and id that a reference's text points at; NULL where it is not one of ours. Taken apart
-- without a pattern for the whole, which would take most of the time of a rule.
CREATE OR REPLACE FUNCTION {schema}.policy_target(reference text, base text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
DECLARE
  types CONSTANT text[] := '{{types}}';
  steps CONSTANT text[] := string_to_array(
    CASE WHEN starts_with(reference, base || '/') THEN substr(reference, length(base) + 2)
      ELSE reference END, '/');
BEGIN
  IF steps[1] = ANY (types) AND steps[2] ~ '^[A-Za-z0-9.-]+$' AND length(steps[2]) <= 64
      AND steps[2] NOT IN ('.', '..') AND (cardinality(steps) = 2 OR (
        cardinality(steps) = 4 AND steps[3] = '_history' AND length(steps[4]) <= 20
        AND steps[4] ~ '^[1-9][0-9]*$'
        AND CASE WHEN length(steps[4]) = 20 THEN steps[4] <= '18446744073709551615' COLLATE "C"
          ELSE true END)) THEN
    RETURN steps[1:2];
  END IF;
  RETURN NULL;
END $body$;

-- What stands at a member of something.
CREATE OR REPLACE FUNCTION {schema}.policy_place(place text, type text, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
  SELECT CASE
    WHEN place = 'resource' AND name = 'contained' THEN 'resources'
    WHEN place = 'resource' AND type = 'Bundle' AND name = 'entry' THEN 'holders'
    WHEN place = 'resource' AND type = 'Parameters' AND name = 'parameter' THEN 'holders'
    WHEN place = 'holder' AND name IN ('resource', 'outcome') THEN 'resource'
    WHEN place = 'holder' AND name IN ('part', 'response') THEN 'holders'
    ELSE 'element'
  END
$body$;

-- References carry the type and id of what they point at, and no other element has either.
CREATE OR REPLACE FUNCTION {schema}.policy_shape(value jsonb, place text, base text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $body$
DECLARE
  kind CONSTANT text := jsonb_typeof(value);
  written text;
  target text[];
  shaped jsonb;
BEGIN
  IF place IN ('resources', 'holders') THEN
    IF kind = 'array' THEN
      SELECT jsonb_agg({schema}.policy_shape(item, rtrim(place, 's'), base) ORDER BY number)
        INTO shaped FROM jsonb_array_elements(value) WITH ORDINALITY AS items (item, number);
      RETURN coalesce(shaped, value);
    END IF;
    RETURN {schema}.policy_shape(value, rtrim(place, 's'), base);
  END IF;
  IF place = 'element' AND kind IN ('array', 'object') THEN
    written := value::text;
    IF strpos(written, '"reference": ') = 0 AND strpos(written, '"id": ') = 0
        AND strpos(written, '"resourceType": ') = 0 THEN
      RETURN value;
    END IF;
    IF kind = 'array' THEN
      SELECT jsonb_agg({schema}.policy_shape(item, place, base) ORDER BY number)
        INTO shaped FROM jsonb_array_elements(value) WITH ORDINALITY AS items (item, number);
      RETURN shaped;
    END IF;
  END IF;
  IF kind <> 'object' THEN
    RETURN value;
  END IF;
  -- Most references have texts alone: nothing in them is shaped.
  IF place = 'element' AND NOT value @? '$.* ? (@.type() == "object" || @.type() == "array")' THEN
    shaped := value - '{id,resourceType}'::text[];
  ELSE
    SELECT coalesce(jsonb_object_agg(name, CASE
        WHEN jsonb_typeof(member) IN ('array', 'object') THEN {schema}.policy_shape(
          member, {schema}.policy_place(place, value ->> 'resourceType', name), base)
        ELSE member
      END), '{}') INTO shaped FROM jsonb_each(value) AS members (name, member)
      WHERE place = 'resource' OR name NOT IN ('id', 'resourceType');
  END IF;
  IF place <> 'resource' AND jsonb_typeof(value -> 'reference') = 'string' THEN
    target := {schema}.policy_target(value ->> 'reference', base);
    IF target IS NOT NULL THEN
      shaped := shaped || jsonb_build_object('resourceType', target[1], 'id', target[2]);
    END IF;
  END IF;
  RETURN shaped;
END $body$;

-- A stored resource as a policy sees it.
CREATE OR REPLACE FUNCTION {schema}.policy_resource(body text, base text) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $body$
  SELECT {schema}.policy_shape(body::jsonb, 'resource', base)
$body$;

-- A member of it: the rest is not shaped.
CREATE OR REPLACE FUNCTION {schema}.policy_member(body text, name text, base text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $body$
DECLARE
  whole CONSTANT jsonb := body;
BEGIN
  RETURN {schema}.policy_shape(
    whole -> name, {schema}.policy_place('resource', whole ->> 'resourceType', name), base);
END $body$;
