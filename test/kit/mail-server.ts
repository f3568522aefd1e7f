/** A mail server of the tests: a real one, which keeps what it is given and refuses what it is told to. */
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { closers } from './server.ts';

export type Received = { from: string; to: string[]; secure: boolean; user?: string; raw: string };

export type MailServerOptions = {
  key?: string;
  cert?: string;
  /** The one who may send; nobody has to say who they are without it. */
  login?: { user: string; password: string };
  /** Offers no encryption. */
  plain?: boolean;
};

const failure = (code: number, words: string) => Object.assign(new Error(words), { responseCode: code });

export async function mailServer({ login, plain = false, ...tls }: MailServerOptions = {}) {
  const state = {
    mails: [] as Received[],
    /** What is said to whoever names a recipient; nothing takes the mail. */
    refusal: undefined as { code: number; words: string } | undefined,
    /** Whom it did not take mail for, each time. */
    refused: [] as string[],
  };
  const server = new SMTPServer({
    ...tls,
    disabledCommands: [...(plain ? ['STARTTLS'] : []), ...(login ? [] : ['AUTH'])],
    authOptional: !login,
    onAuth({ username, password }, _session, done) {
      const right = username === login?.user && password === login?.password;
      if (right) done(null, { user: username });
      else done(failure(535, '5.7.8 wrong'));
    },
    onRcptTo({ address }, _session, done) {
      if (!state.refusal) return done();
      state.refused.push(address);
      done(failure(state.refusal.code, state.refusal.words));
    },
    onData(stream, { envelope, secure, user }, done) {
      text(stream).then((raw) => {
        const from = envelope.mailFrom ? envelope.mailFrom.address : '';
        const to = envelope.rcptTo.map(({ address }) => address);
        state.mails.push({ from, to, secure, ...(user && { user: String(user) }), raw });
        done();
      }, done);
    },
  });
  server.on('error', () => {});
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = listening.address() as { port: number };
  return {
    state,
    port,
    url: `smtp://${login ? `${login.user}:${encodeURIComponent(login.password)}@` : ''}localhost:${port}`,
    to: (address: string) => state.mails.filter(({ to }) => to.includes(address)),
  };
}
