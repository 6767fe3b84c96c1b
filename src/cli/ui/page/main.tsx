/** The page: it says what it is told, and asks for nothing but its own server. All text is text: nothing here makes HTML of it. */
import { render } from 'preact'
import { App } from './app.js'
import { Connection } from './connection.js'

const place = document.getElementById('page')
if (place !== null) {
  const connection = new Connection()
  place.replaceChildren()
  render(<App connection={connection} />, place)
  void connection.run()
}
