/** Letters as people see them, so that neither an emoji nor an accent is cut in half; and the icon made of one. */

import { accents } from '../../look/theme.ts';
import { assetUrl } from './assets.ts';
import type { PageTenant } from './page.ts';

const graphemes = new Intl.Segmenter();

export const letters = (text: string): string[] => Array.from(graphemes.segment(text), ({ segment }) => segment);

export function firstLetter(name: string): string {
  const [first] = graphemes.segment(name.trim());
  return first ? first.segment.toLocaleUpperCase() : '·';
}

/** The tab's icon: the tenant's own, else its initial in its colour. */
export function iconOf(tenant: PageTenant | undefined): string {
  if (!tenant) return assetUrl('cardea.svg');
  if (tenant.icon) return tenant.icon;
  const { accent, onAccent } = accents(tenant.primaryColor).light;
  const letter = firstLetter(tenant.name).replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${accent}"/>` +
    `<text x="16" y="22.5" font-family="system-ui,sans-serif" font-size="19" font-weight="600" text-anchor="middle" fill="${onAccent}">${letter}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
