// A server in front of Carrel, as a proxy is: it can be away while Carrel runs
// on for the others, and it can serve another build of the page.
import { createServer, request } from 'node:http'

export class Front {
  #to
  #server
  #sockets = new Set()
  /** The page's worker as it is served; what comes out of another build differs. */
  worker = (text) => text
  /** Paths that are not there: those of a build that is gone. */
  missing = null

  constructor(url) {
    this.#to = new URL(url)
    this.#server = createServer((req, res) => this.#pass(req, res))
    this.#server.unref() // a part that fails leaves it
    this.#server.on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head))
    this.#server.on('connection', (s) => {
      this.#sockets.add(s)
      s.on('close', () => this.#sockets.delete(s))
    })
  }

  async open() {
    await new Promise((done, failed) => this.#server.once('error', failed).listen(this.port ?? 0, '127.0.0.1', done))
    this.port = this.#server.address().port
    this.url = `http://127.0.0.1:${this.port}`
    return this
  }

  async close() {
    const closed = new Promise((done) => this.#server.close(done))
    for (const s of this.#sockets) s.destroy()
    await closed
  }

  #ask(req) {
    return request({ host: this.#to.hostname, port: this.#to.port, method: req.method, path: req.url, headers: req.headers })
  }

  #pass(req, res) {
    if (this.missing?.test(req.url)) return void res.writeHead(404).end()
    const worker = req.url === '/worker.js'
    if (worker) delete req.headers['accept-encoding'] // it is to be read
    if (worker) delete req.headers['if-none-match']
    const up = this.#ask(req)
    up.on('error', () => res.destroy())
    up.on('response', async (answer) => {
      if (!worker) {
        res.writeHead(answer.statusCode, answer.headers)
        answer.pipe(res)
        return
      }
      const text = this.worker(Buffer.concat(await answer.toArray()).toString())
      res.writeHead(answer.statusCode, { ...answer.headers, 'content-length': Buffer.byteLength(text), etag: '' })
      res.end(text)
    })
    req.pipe(up)
  }

  #upgrade(req, socket, head) {
    const up = this.#ask(req)
    up.on('error', () => socket.destroy())
    up.on('response', (answer) => {
      socket.write(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n\r\n`)
      socket.destroy()
    })
    up.on('upgrade', (answer, other) => {
      const lines = answer.rawHeaders.flatMap((h, i, all) => (i % 2 ? [] : [`${h}: ${all[i + 1]}`]))
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
      other.pipe(socket).pipe(other)
      for (const [one, two] of [[socket, other], [other, socket]]) one.on('error', () => two.destroy()).on('close', () => two.destroy())
      if (head.length > 0) other.write(head)
    })
    up.end()
  }
}
