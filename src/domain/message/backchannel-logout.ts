/** To a client that took part in a login session, or holds a grant: that it has ended (Back-Channel Logout 1.0 §2.4). */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { findProtocolByUid, protocolRowExists } from '../protocol/protocol-row.ts';

export const backchannelLogout = defineMessage({
  type: 'backchannel_logout',
  channel: 'backchannel-logout',
  data: {
    sub: Type.String(),
    /** Names one session to the client; without it all of the user's are meant. */
    sid: Type.Optional(Type.String()),
  },
  /** What has to be gone is a session by its uid, or the row of a grant; neither is ever named like the other. */
  async happened(tenant, { ref }) {
    const [session, grant] = await Promise.all([
      findProtocolByUid(tenant, 'Session', ref),
      protocolRowExists(tenant, ref),
    ]);
    return session === null && !grant;
  },
});
