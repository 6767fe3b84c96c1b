/** What several views are made of. */
import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'

/** A command to be copied. */
export function Command({ text }: { readonly text: string }): JSX.Element {
  const [copied, setCopied] = useState(false)
  const { clipboard } = navigator as { readonly clipboard?: Clipboard }
  return (
    <span class="command">
      <code>{text}</code>
      {clipboard !== undefined && (
        <button
          type="button"
          class="small"
          onClick={() => {
            clipboard.writeText(text).then(
              () => {
                setCopied(true)
              },
              () => undefined,
            )
          }}
        >
          {copied ? 'Copied' : 'Copy'}
        </button>
      )}
    </span>
  )
}

export const Empty = ({
  title,
  children,
}: {
  readonly title: string
  readonly children: ComponentChildren
}): JSX.Element => (
  <div class="card empty">
    <h2>{title}</h2>
    {children}
  </div>
)

export interface Column {
  readonly name: string
  readonly isNumber?: boolean
}

/** Scrolls by itself where it is too wide, also by keyboard. */
export function Table({
  label,
  columns,
  children,
}: {
  readonly label: string
  readonly columns: readonly Column[]
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <div class="scroll" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, isNumber }) => (
              <th key={name} scope="col" class={isNumber === true ? 'number' : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}
