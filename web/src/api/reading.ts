// So long the first answer may take to begin; each next one twice as long.
const patienceMs = 1_500
// A browser keeps a connection so long for later.
const keptMs = 300_000

/**
 * A fetch that does not wait for ever on a connection which died without a
 * word. The browser keeps connections, and takes them for alive after the
 * network was another. While that may be, what only reads is asked again,
 * over the next one; what changes something is asked once, so something is
 * read before it, after which the browser takes the connection that answered.
 */
export class Reading {
  private readonly waiting = new Set<() => void>()
  private doubtful = 0

  /** `probe` is the path of something small that anybody may read. */
  constructor(
    private readonly ask: (request: Request) => Promise<Response>,
    private readonly probe: string,
  ) {}

  /** A connection was found dead: others may be. What waits for an answer now does not wait much longer. */
  doubt(): void {
    this.doubtful = Date.now() + keptMs
    for (const hurry of this.waiting) hurry()
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    if (request.method !== 'GET') {
      if (Date.now() < this.doubtful) {
        const answer = await this.fetch(new Request(new URL(this.probe, request.url), { signal: request.signal }))
        await answer.arrayBuffer() // its connection is free then
      }
      return this.ask(request)
    }
    for (let patience = patienceMs; ; patience *= 2) {
      const late = new AbortController()
      let timer: ReturnType<typeof setTimeout> | undefined
      const hurry = () => (timer ??= setTimeout(() => late.abort(), patience))
      if (Date.now() < this.doubtful) hurry()
      this.waiting.add(hurry)
      try {
        return await this.ask(new Request(request, { signal: AbortSignal.any([request.signal, late.signal]) }))
      } catch (e) {
        if (!late.signal.aborted || request.signal.aborted) throw e
      } finally {
        clearTimeout(timer)
        this.waiting.delete(hurry)
      }
    }
  }
}
