/** THE list of channels. What a channel needs of rooms above this one is handed in by app.ts. */
import type { AnyChannel } from '../channel.ts';
import { type BackchannelLogoutParts, backchannelLogout } from './backchannel-logout.ts';

export const channels = (parts: BackchannelLogoutParts): readonly AnyChannel[] => [backchannelLogout(parts)];
