// The part of autocannon, which ships no types, that run.ts uses.
declare module 'autocannon' {
  type Options = {
    url: string;
    connections: number;
    duration: number;
    method?: 'GET' | 'POST';
    headers?: Record<string, string>;
    body?: string;
    /** Taken in turn. */
    requests?: { path: string; method?: 'GET' | 'POST'; headers?: Record<string, string>; body?: string }[];
  };
  type Result = {
    duration: number;
    '2xx': number;
    non2xx: number;
    errors: number;
    latency: { p99: number };
  };
  export default function autocannon(options: Options): Promise<Result>;
}
