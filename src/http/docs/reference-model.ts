/**
 * The OpenAPI document as a person reads it: groups, operations, flat tables of fields, and examples with this tenant's
 * own addresses. Pure; reference.ts serves it and views/reference/ gives it a face.
 */
import { REFUSALS } from './openapi-document.ts';
import { type Answer, type OpenApi, type Operation, resolve, type Schema } from './openapi-types.ts';
import { type Curl, curlOf, exampleMaker, type Site } from './reference-examples.ts';

type FieldRow = {
  name: string;
  depth: number;
  type: TypeText;
  required: boolean;
  deprecated: boolean;
  description: string;
  /** Limits, default and allowed values, each a short phrase; backticks mark code. */
  limits: string[];
};
/** `array of`, a name, and the anchor of its table where it has one. */
type TypeText = { text: string; anchor?: string }[];
/** Parameters of one place: those that all operations share are the introduction's. */
type ParameterTable = { title: string; place: string; rows: FieldRow[] };
type AnswerView = { status: string; description: string; type: TypeText; rows: FieldRow[] };
type OperationView = {
  anchor: string;
  method: string;
  path: string;
  summary: string;
  /** Without the reference to its specification. */
  short: string;
  paragraphs: string[];
  permission: string | undefined;
  /** Whether that user may call it too, whatever the token's permissions. */
  orSelf: boolean;
  /** What else than a management token proves who calls. */
  proof: 'client' | 'session' | 'user' | undefined;
  deprecated: boolean;
  parameters: ParameterTable[];
  body: { types: string[]; rows: FieldRow[] } | undefined;
  answers: AnswerView[];
  errors: { status: number; codes: string[] }[];
  curl: Curl;
  contentType: string | undefined;
  sample: string | undefined;
  /** Whether a script can call it: it answers JSON to whoever asks. */
  callable: boolean;
};
type ObjectView = { name: string; anchor: string; rows: FieldRow[] };
type GroupView = {
  anchor: string;
  title: string;
  description: string;
  operations: OperationView[];
  objects: ObjectView[];
};

const anchorOf = (text: string) => text.replace(/\W+/g, '-');
const objectAnchor = (name: string) => `object-${name}`;
const titleOf = (pointer: string) => pointer.split('/').at(-1)!;

export function readable(document: OpenApi, site: Site): GroupView[] {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const homes = homesOf(document);
  return document.tags.map((tag) => ({
    anchor: tag.name,
    title: tag['x-displayName'],
    description: tag.description,
    operations: operations
      .filter(({ operation }) => operation.tags[0] === tag.name)
      .map(({ method, path, operation }) => view(document, site, homes, method, path, operation)),
    objects: [...homes]
      .filter(([, home]) => home === tag.name)
      .map(([name]) => ({
        name,
        anchor: objectAnchor(name),
        rows: fieldsOf(document, homes, document.components.schemas[name]!),
      })),
  }));
}

/** Each row schema is shown once, in the group that reads it by id; elsewhere it is linked. */
function homesOf(document: OpenApi): Map<string, string> {
  const homes = new Map<string, string>();
  const operations = Object.values(document.paths).flatMap((item) => Object.values(item));
  const reads = operations.filter(({ operationId }) => operationId.endsWith('/get'));
  for (const { responses, tags } of [...reads, ...operations]) {
    for (const [status, answer] of Object.entries(responses)) {
      if (!status.startsWith('2')) continue;
      const schema = answer.content?.['application/json']?.schema;
      const pointer = schema?.$ref ?? schema?.items?.$ref ?? schema?.properties?.results?.items?.$ref;
      if (pointer && !homes.has(titleOf(pointer))) homes.set(titleOf(pointer), tags[0]!);
    }
  }
  return homes;
}

function view(
  document: OpenApi,
  site: Site,
  homes: Map<string, string>,
  method: string,
  path: string,
  operation: Operation,
): OperationView {
  const types = Object.keys(operation.requestBody?.content ?? {});
  const bodySchema = types[0] ? operation.requestBody!.content[types[0]]!.schema : undefined;
  const answers = Object.entries(operation.responses).map(([status, answer]) => ({
    status,
    answer: resolve<Answer>(document, answer),
  }));
  const succeeding = answers.filter(({ status }) => /^[23]/.test(status));
  const [answered] = succeeding.flatMap(({ answer }) => answer.content?.['application/json']?.schema ?? []);
  const permission = operation['x-permission'];
  const maker = exampleMaker(document, site);
  return {
    anchor: anchorOf(operation.operationId),
    method,
    path,
    summary: operation.summary,
    short: operation.summary.replace(/ \(.*\)$/, ''),
    paragraphs: (operation.description ?? '')
      .split('\n\n')
      .filter((text) => text && !text.startsWith('Needs the permission ')),
    permission,
    orSelf: operation['x-permission-or-self'] !== undefined,
    proof: permission ? undefined : proofOf(operation),
    deprecated: operation.deprecated ?? false,
    parameters: Object.entries(PLACES).flatMap(([place, title]) => {
      const rows = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === place)
        .map((parameter) => fieldRow(homes, parameter.name, parameter.schema, parameter));
      return rows.length ? [{ title, place, rows }] : [];
    }),
    body: bodySchema && { types, rows: fieldsOf(document, homes, bodySchema) },
    answers: succeeding.map(({ status, answer }) => answerView(document, homes, status, answer)),
    errors: answers
      .filter(({ status }) => /^[45]/.test(status))
      .map(({ status, answer }) => ({
        status: Number(status),
        codes: answer.content?.['application/json']?.schema?.$ref?.endsWith('/Error')
          ? (REFUSALS.get(Number(status)) ?? []).map(({ code }) => code)
          : [],
      })),
    curl: curlOf(site, maker, {
      method,
      path,
      operation,
      parameters: operation.parameters ?? [],
      type: types[0],
      schema: bodySchema,
      required: bodySchema ? (resolve(document, bodySchema).required ?? []) : [],
    }),
    contentType: types[0],
    sample: answered && JSON.stringify(exampleMaker(document, site, operation.operationId)(answered), null, 2),
    callable: answered !== undefined && !operation.operationId.startsWith('session/'),
  };
}

const PLACES = { path: 'Path', query: 'Query', header: 'Headers' };

function proofOf({ security = [], tags }: Operation): OperationView['proof'] {
  const schemes = security.flatMap((scheme) => Object.keys(scheme));
  if (schemes.includes('session')) return 'session';
  if (schemes.includes('clientBasic')) return 'client';
  return schemes.includes('bearerAuth') && tags.includes('oauth') ? 'user' : undefined;
}

function answerView(document: OpenApi, homes: Map<string, string>, status: string, answer: Answer): AnswerView {
  const schema = answer.content?.['application/json']?.schema;
  const paged = schema?.properties?.results?.items;
  // A page is explained once; of it only the kind of row is news.
  if (paged) return { status, description: '', type: [{ text: 'page of ' }, ...typeOf(homes, paged)], rows: [] };
  const inline = schema && !schema.$ref && schema.type === 'object';
  // A row's description is its name, which the type says already.
  const says = schema?.$ref
    ? !schema.$ref.endsWith(`/${answer.description}`)
    : !(schema && answer.description === 'Done');
  return {
    status,
    description: says ? answer.description : '',
    type: schema && !inline ? typeOf(homes, schema) : [],
    rows: inline ? fieldsOf(document, homes, schema) : [],
  };
}

/* Fields */

/** The fields of an object, nested ones below their owner; `[]` marks the items of a list. */
function fieldsOf(document: OpenApi, homes: Map<string, string>, schema: Schema, prefix = '', depth = 0): FieldRow[] {
  const { properties = {}, required = [] } = resolve(document, schema);
  return Object.entries(properties).flatMap(([name, field]) => {
    const own = fieldRow(homes, `${prefix}${name}`, field, { required: required.includes(name) }, depth);
    if (depth >= 4) return [own];
    if (field.items && !field.items.$ref)
      return [own, ...fieldsOf(document, homes, field.items, `${name}[].`, depth + 1)];
    return [own, ...fieldsOf(document, homes, field.$ref ? {} : field, `${name}.`, depth + 1)];
  });
}

type Marks = { required?: boolean; description?: string; deprecated?: boolean };

function fieldRow(homes: Map<string, string>, name: string, schema: Schema, marks: Marks, depth = 0): FieldRow {
  const options = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
  const described = [schema, ...options].find((option) => option.description)?.description;
  return {
    name,
    depth,
    type: typeOf(homes, schema),
    required: marks.required ?? false,
    deprecated: marks.deprecated ?? schema.deprecated ?? false,
    description: marks.description ?? described ?? '',
    limits: limitsOf(schema),
  };
}

function typeOf(homes: Map<string, string>, schema: Schema): TypeText {
  if (schema.$ref) {
    const name = titleOf(schema.$ref);
    return [{ text: name, ...(homes.has(name) && { anchor: objectAnchor(name) }) }];
  }
  const options = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (options)
    return [
      ...options.flatMap((option, index) => [
        ...(index ? [{ text: ' or ' }] : []),
        ...typeOf(homes, { ...option, nullable: false }),
      ]),
      ...orNull(schema.nullable || options.some(({ nullable }) => nullable)),
    ];
  if (schema.items) return [{ text: 'array of ' }, ...typeOf(homes, schema.items), ...orNull(schema.nullable)];
  const words = schema.format === 'date-time' ? 'time (ISO 8601)' : (schema.type ?? 'any JSON');
  return [{ text: words }, ...orNull(schema.nullable)];
}

const orNull = (nullable: boolean | undefined): TypeText => (nullable ? [{ text: ' or null' }] : []);

function range(least: number | undefined, most: number | undefined, unit: string): string[] {
  if (least === undefined && most === undefined) return [];
  if (most === undefined) return [`at least ${least}${unit}`];
  if (least === undefined || least === 0) return [`at most ${most}${unit}`];
  return [`${least} to ${most}${unit}`];
}

function limitsOf(schema: Schema): string[] {
  const values = (schema.enum ?? []).filter((value) => value !== null);
  return [
    ...(values.length ? [`one of ${values.map((value) => `\`${value}\``).join(', ')}`] : []),
    ...(values.length ? [] : range(schema.minLength, schema.maxLength, ' characters')),
    ...range(schema.minimum, schema.maximum, ''),
    ...range(schema.minItems, schema.maxItems, ' items'),
    ...(schema.uniqueItems ? ['no duplicates'] : []),
    ...(schema.items ? limitsOf(schema.items).map((limit) => `each ${limit}`) : []),
    ...(schema.pattern && schema.pattern.length <= 40 && schema.pattern !== '\\S'
      ? [`matches \`${schema.pattern}\``]
      : []),
    ...(schema.default !== undefined ? [`default \`${JSON.stringify(schema.default)}\``] : []),
  ];
}
