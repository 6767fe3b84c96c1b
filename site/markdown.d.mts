export function slug(heading: string): string
export function mapLinks(markdown: string, to: (target: string) => string): string
export function sectionsOf(map: string): { heading: string; items: { text: string; target: string }[] }[]
