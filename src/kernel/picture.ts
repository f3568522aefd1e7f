/**
 * What a file of a picture says of itself: its kind and its size, read from the first bytes of formats that carry no code.
 * An SVG is a document that can hold scripts and addresses of others, and is none of them.
 */

export type PictureKind = { type: string; extension: string; width: number; height: number };

/** Undefined for what is no picture, or one that says less than it should. */
export function pictureIn(bytes: Buffer): PictureKind | undefined {
  for (const read of [png, gif, webp, jpeg]) {
    const found = bytes.length >= 30 ? read(bytes) : undefined;
    if (found && found.width > 0 && found.height > 0 && isWhole(found, bytes)) return found;
  }
  return undefined;
}

/** Half of a picture shows as a broken one, and what comes after its end is no part of it. */
function isWhole({ extension }: PictureKind, bytes: Buffer): boolean {
  const tail = bytes.subarray(-1024).toString('latin1');
  if (extension === 'png') return tail.endsWith('IEND\xaeB`\x82');
  if (extension === 'gif') return tail.endsWith(';');
  if (extension === 'webp') return bytes.readUInt32LE(4) + 8 === bytes.length;
  // Cameras and editors leave some bytes behind.
  return tail.includes('\xff\xd9');
}

const startsWith = (bytes: Buffer, magic: string, at = 0): boolean =>
  bytes.subarray(at, at + magic.length).toString('latin1') === magic;

function png(bytes: Buffer): PictureKind | undefined {
  if (!startsWith(bytes, '\x89PNG\r\n\x1a\n') || !startsWith(bytes, 'IHDR', 12)) return undefined;
  return { type: 'image/png', extension: 'png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

function gif(bytes: Buffer): PictureKind | undefined {
  if (!startsWith(bytes, 'GIF87a') && !startsWith(bytes, 'GIF89a')) return undefined;
  return { type: 'image/gif', extension: 'gif', width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
}

/** https://developers.google.com/speed/webp/docs/riff_container: lossy, lossless and extended. */
function webp(bytes: Buffer): PictureKind | undefined {
  if (!startsWith(bytes, 'RIFF') || !startsWith(bytes, 'WEBP', 8)) return undefined;
  const sized = (width: number, height: number) => ({ type: 'image/webp', extension: 'webp', width, height });
  if (startsWith(bytes, 'VP8X', 12)) return sized(bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1);
  if (startsWith(bytes, 'VP8 ', 12)) return sized(bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff);
  if (!startsWith(bytes, 'VP8L', 12) || bytes[20] !== 0x2f) return undefined;
  const packed = bytes.readUInt32LE(21);
  return sized((packed & 0x3fff) + 1, ((packed >> 14) & 0x3fff) + 1);
}

/** ITU T.81 §B.1: segments up to the one that says how large the frame is. */
function jpeg(bytes: Buffer): PictureKind | undefined {
  if (!startsWith(bytes, '\xff\xd8\xff')) return undefined;
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame)
      return {
        type: 'image/jpeg',
        extension: 'jpg',
        width: bytes.readUInt16BE(at + 7),
        height: bytes.readUInt16BE(at + 5),
      };
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}
