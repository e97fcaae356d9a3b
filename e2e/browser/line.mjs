// The line between a browser and Carrel, as TCP is: it can go dead as a network
// does that is left, or a machine that sleeps. Nothing arrives any more, and
// nobody is told that it is over.
import { connect, createServer } from 'node:net'

export class Line {
  #to
  #server
  #pairs = new Set()
  #dead = null
  /** How many connections were made. */
  made = 0

  constructor(url) {
    this.#to = new URL(url)
    this.#server = createServer((near) => this.#join(near))
    this.#server.unref() // a part that fails leaves it
  }

  async open() {
    await new Promise((done, failed) => this.#server.once('error', failed).listen(0, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${this.#server.address().port}`
    return this
  }

  /**
   * What is connected is dead from now on, and so is what is connected until
   * the line thaws. With `hears` the server still hears the page, and only its
   * answers are lost.
   */
  freeze({ hears = false } = {}) {
    this.#dead = { hears }
    for (const pair of this.#pairs) this.#kill(pair)
  }

  /** New connections work; the old ones stay dead. */
  thaw() {
    this.#dead = null
  }

  async close() {
    const closed = new Promise((done) => this.#server.close(done))
    for (const pair of this.#pairs) for (const end of pair) end.destroy()
    await closed
  }

  #join(near) {
    this.made++
    const far = connect({ host: this.#to.hostname, port: this.#to.port })
    const pair = [near, far]
    this.#pairs.add(pair)
    for (const [end, other] of [pair, [far, near]]) {
      end.setNoDelay(true)
      end.on('error', () => {})
      end.on('close', () => {
        if (!pair.dead) other.destroy()
        if (near.destroyed && far.destroyed) this.#pairs.delete(pair)
      })
      end.pipe(other)
    }
    if (this.#dead) this.#kill(pair)
  }

  /** Bytes stay in the buffers, as they do where nothing acknowledges them. */
  #kill(pair) {
    const [near, far] = pair
    pair.dead = true
    far.unpipe(near)
    far.pause()
    if (this.#dead.hears) return
    near.unpipe(far)
    near.pause()
  }
}
