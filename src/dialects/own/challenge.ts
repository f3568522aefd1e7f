/** `GET /challenge`: what an app's own form has to solve before it may have something sent to somebody. */
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { CHALLENGE_SECONDS, type Challenge, challengeFor } from '../../auth/challenge.ts';
import { CHALLENGE_OCCASIONS, type ChallengeOccasion } from '../../domain/account/account-settings.ts';

/** What such a form sends along. */
export const ChallengeResponse = Type.Optional(
  Type.String({
    maxLength: 2048,
    description:
      'Where the account asks for it (400 `challenge_required`): the answer to the challenge of `GET /challenge`, or the token of the Turnstile widget',
  }),
);

const Answer = Type.Object({
  provider: Type.Unsafe<'none' | Challenge['provider']>({
    type: 'string',
    enum: ['none', 'proof_of_work', 'turnstile'],
  }),
  challenge: Type.Optional(
    Type.String({
      description:
        'Of `proof_of_work`. The answer is `<challenge>:<text>`, with any text of 1 to 40 letters, digits, `-` and `_` for which the SHA-256 of the whole answer begins with `difficulty` zero bits. Good once',
    }),
  ),
  difficulty: Type.Optional(Type.Integer()),
  expires_in: Type.Optional(Type.Integer({ description: 'Seconds' })),
  site_key: Type.Optional(Type.String({ description: 'Of `turnstile`: what its widget is shown with' })),
  script_url: Type.Optional(Type.String({ description: 'Of `turnstile`: the address of its widget' })),
});

export async function challenge(app: FastifyInstance): Promise<void> {
  await app.register(
    async (scope) => {
      await scope.register(cors, { methods: 'GET', maxAge: 3600, strictPreflight: false });
      scope.get(
        '',
        {
          config: { access: 'public' },
          schema: {
            operationId: 'challenge',
            tags: ['passwordless'],
            summary: 'Get a challenge',
            description:
              'An addition to the contract. An account may ask whoever has something mailed to a stranger to solve a challenge first (`challenge_settings`). `none`: nothing is asked for this.',
            querystring: Type.Object({
              for: Type.Unsafe<ChallengeOccasion>({
                type: 'string',
                enum: [...CHALLENGE_OCCASIONS],
                description: 'Each challenge is for one of them',
              }),
            }),
            response: { 200: Answer },
          },
        },
        async (request, reply) => {
          const { for: occasion } = request.query as { for: ChallengeOccasion };
          const made = challengeFor(request.tenant, occasion);
          reply.header('cache-control', 'no-store');
          if (!made) return { provider: 'none' as const };
          return made.provider === 'proof_of_work' ? { ...made, expires_in: CHALLENGE_SECONDS } : made;
        },
      );
    },
    { prefix: '/challenge' },
  );
}
