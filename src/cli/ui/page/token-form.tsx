import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Connection } from './connection.js'

export function TokenForm({ connection }: { readonly connection: Connection }): JSX.Element {
  const [token, setToken] = useState('')
  const [tried] = useState(connection.hasToken)
  return (
    <form
      class="card narrow"
      onSubmit={(event) => {
        event.preventDefault()
        if (token !== '') connection.useToken(token)
      }}
    >
      <h2>A token is wanted</h2>
      <p>
        It is the POTOROO_PEER_TOKEN that this page's server was started with. This tab keeps it until it is closed.
      </p>
      {tried && (
        <p class="error" role="alert">
          The token that was given is another one.
        </p>
      )}
      <label for="token">Token</label>
      <div class="row">
        <input
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          value={token}
          onInput={(event) => {
            setToken(event.currentTarget.value)
          }}
        />
        <button type="submit">Show</button>
      </div>
    </form>
  )
}
