/** The page where a user changes their own profile. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  changeOwnProfile,
  OWN_FIELDS,
  type OwnField,
  type OwnProfile,
  ownProfileOf,
  unacceptableIn,
} from '../../domain/user/own-profile.ts';
import { href } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { profilePage } from './profile-page.ts';
import { ACCOUNT, accountPages, done, doneOf, PROFILE, type Visit } from './visit.ts';

const FIELDS = Object.keys(OWN_FIELDS) as OwnField[];

function show(request: FastifyRequest, reply: FastifyReply, { user, csrf }: Visit, tried?: OwnProfile) {
  const common = pageCommon(request);
  return renderPage(
    reply,
    profilePage,
    {
      ...common,
      action: href(request, PROFILE),
      csrf,
      profile: tried ?? ownProfileOf(user),
      refused: tried ? unacceptableIn(tried) : [],
      languages: common.locales.map(({ code, label }) => ({ code, label })),
      saved: doneOf(request, ['saved']) !== undefined,
      backHref: href(request, ACCOUNT),
    },
    { status: tried ? 400 : 200 },
  );
}

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const pages = accountPages(app, browser);
  pages.get(PROFILE, async (request, reply, visit) => show(request, reply, visit));
  pages.post(PROFILE, FIELDS, async (request, reply, visit) => {
    // What the form leaves out stays.
    const held = ownProfileOf(visit.user);
    const wanted = Object.fromEntries(
      FIELDS.map((field) => [field, visit.form[field]?.trim() ?? held[field]]),
    ) as OwnProfile;
    if (unacceptableIn(wanted).length > 0) return show(request, reply, visit, wanted);
    await changeOwnProfile(request.tenant, visit.user, wanted, request.from);
    return done(request, reply, PROFILE, 'saved');
  });
}

export const profile: Journey = { pages: [profilePage], mount };
