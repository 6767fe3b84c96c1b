import { utf8ByteString, type ByteString } from './byte-string.js'

/** `<state object's name> \0 <key in UTF-8>`: the key of a state object in store and changelog. */
export const storeKeyOf = (name: string, key: string): ByteString => `${name}\0${utf8ByteString(key)}`
