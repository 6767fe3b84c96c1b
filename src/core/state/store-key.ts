import { utf8ByteString, type ByteString } from '../records/byte-string.js'

/** `<state object's name> \0 <key in UTF-8>`: the key of a state object in store and changelog. */
export const storeKeyOf = (name: string, key: string): ByteString => `${name}\0${utf8ByteString(key)}`

/** The longest key of a state object, in bytes of UTF-8: with the state object's name, what the store's keys take. */
export const MAX_KEY_BYTES = 1800
