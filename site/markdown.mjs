/** What the site needs to know of the documents' Markdown. */

/** The anchor of a heading, as repository hosts make it: links work there and here. */
export const slug = (heading) =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')

const CODE = /^(`{3,}|~{3,})[^\n]*\n.*?^\s*\1[^\n]*$|`[^`\n]+`/gms
/** Of Markdown, and of pictures that are HTML. */
const LINK = /(\]\(|\s(?:src|srcset)=")([^)"\s]+)(\)|")/g

/** The text with each link's target replaced by what `to` makes of it. What lies in code is left alone. */
export function mapLinks(markdown, to) {
  const outside = (text) => text.replace(LINK, (_, open, target, close) => `${open}${to(target)}${close}`)
  let at = 0
  let mapped = ''
  for (const { 0: code, index } of markdown.matchAll(CODE)) {
    mapped += outside(markdown.slice(at, index)) + code
    at = index + code.length
  }
  return mapped + outside(markdown.slice(at))
}

/** The sections of the map of the documentation, docs/README.md: a heading, and a list of links. */
export function sectionsOf(map) {
  return map
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [heading] = section.split('\n', 1)
      const items = [...section.matchAll(/^- \[([^\]]+)\]\(([^)]+)\)/gm)].map(([, text, target]) => ({ text, target }))
      return { heading, items }
    })
}
