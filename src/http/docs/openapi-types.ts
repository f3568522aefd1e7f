/** OpenAPI 3.0 as far as our own document uses it. */

export type Schema = {
  $ref?: string;
  type?: string;
  format?: string;
  description?: string;
  nullable?: boolean;
  deprecated?: boolean;
  enum?: unknown[];
  default?: unknown;
  example?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
};
export type Parameter = {
  $ref?: string;
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  deprecated?: boolean;
  schema: Schema;
};
type Media = Record<string, { schema?: Schema }>;
export type Answer = { $ref?: string; description: string; headers?: Record<string, unknown>; content?: Media };
export type Operation = {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  deprecated?: boolean;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; description?: string; content: Media };
  responses: Record<string, Answer>;
  security?: Record<string, string[]>[];
  'x-permission'?: string;
  /** The path parameter with the id of the user who may call it without the permission. */
  'x-permission-or-self'?: string;
};
type Tag = { name: string; description: string; 'x-displayName': string };
export type OpenApi = {
  openapi: string;
  info: { title: string; version: string; description: string };
  servers: { url: string }[];
  tags: Tag[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Schema>;
    responses: Record<string, Answer>;
    parameters: Record<string, Parameter>;
    securitySchemes: Record<string, Record<string, unknown>>;
  };
};

/** What a `$ref` of our own document stands for; anything else is itself. */
export function resolve<T extends object>(document: OpenApi, node: T): T {
  const pointer = (node as { $ref?: string }).$ref;
  if (!pointer) return node;
  const [, , kind, name] = pointer.split('/') as [string, string, keyof OpenApi['components'], string];
  return document.components[kind][name] as T;
}
