import { keepShared, type Shared } from '@/share/store'

/** Whether the system hands over what somebody shares with Carrel: the manifest's `share_target`. */
export function isShare(request: Pick<Request, 'method' | 'url'>): boolean {
  return request.method === 'POST' && new URL(request.url).pathname === '/share'
}

/** Reads what was shared. A link often comes as text, and sometimes in both places. */
export function sharedIn(form: FormData): Omit<Shared, 'at'> {
  const said: string[] = []
  for (const name of ['title', 'text', 'url']) {
    const value = form.get(name)
    if (typeof value === 'string' && value.trim() !== '' && !said.some((s) => s.includes(value.trim()))) said.push(value.trim())
  }
  return { text: said.join('\n'), files: form.getAll('files').filter((f): f is File => f instanceof File && (f.size > 0 || f.name !== '')) }
}

/** Puts what was shared aside, and opens the page that asks where it is to go. It is kept here: nobody may be signed in. */
export async function takeShare(request: Request): Promise<Response> {
  let lost = ''
  try {
    await keepShared(sharedIn(await request.formData()))
  } catch {
    lost = '?lost=true' // no room, or a form that cannot be read
  }
  return Response.redirect(`/share${lost}`, 303)
}
