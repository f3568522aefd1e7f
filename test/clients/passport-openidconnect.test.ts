/** passport-openidconnect, in a web app on Express with sessions. */
import assert from 'node:assert/strict';
import express, { type ErrorRequestHandler } from 'express';
import session from 'express-session';
import passport, { type Profile } from 'passport';
import Strategy, { type VerifyCallback } from 'passport-openidconnect';
import { typeLogin } from '../kit/browser.ts';
import { listen, world } from '../kit/index.ts';
import { heading, requestLog, suite } from './kit.ts';

const log = requestLog();
const w = await world({ log: log.lines });
const t = await w.tenant();
const user = await t.user();
const site = await listen();
const client = await t.client({
  token_endpoint_auth_method: 'client_secret_post',
  callbacks: [`${site.origin}/callback`],
});

// The library knows no discovery: its documentation has the addresses written down.
passport.use(
  new Strategy(
    {
      issuer: t.origin,
      authorizationURL: `${t.origin}/authorize`,
      tokenURL: `${t.origin}/oauth/token`,
      userInfoURL: `${t.origin}/userinfo`,
      clientID: client.client_id,
      clientSecret: client.client_secret,
      callbackURL: '/callback',
      scope: 'profile email',
      nonce: 'used',
      skipUserProfile: false,
    },
    (_issuer: string, profile: Profile, done: VerifyCallback) => done(null, profile),
  ),
);
passport.serializeUser((profile, done) => done(null, profile));
passport.deserializeUser((profile: Express.User, done) => done(null, profile));

const app = express();
app.use(session({ secret: 'of the app', resave: false, saveUninitialized: false }));
app.use(passport.session());
app.get('/login', passport.authenticate('openidconnect'));
app.get('/callback', passport.authenticate('openidconnect', { successRedirect: '/', failureRedirect: '/refused' }));
app.get('/', (request, response) => {
  const profile = request.user as Profile | undefined;
  response.send(
    `<h1>${profile ? `Hello ${profile.displayName}` : 'Signed out'}</h1><p>${profile?.emails?.[0]?.value}</p>`,
  );
});
app.get('/refused', (_request, response) => void response.send('<h1>Refused</h1>'));
const failed: ErrorRequestHandler = (error, _request, response, _next) =>
  void response.status(500).send(`<h1>Failed: ${error.message}</h1>`);
app.use(failed);
site.serve(app);

suite('passport-openidconnect', {
  async login(page) {
    await page.goto(`${site.origin}/login`);
    await typeLogin(page, user);
    await heading(page, 'Hello Ada Lovelace');
  },

  async userinfo(page) {
    assert.equal(await page.textContent('p'), user.email);
    assert.ok(log.saw('/userinfo'));
  },
});
