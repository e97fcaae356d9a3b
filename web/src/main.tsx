import { createRoot, startTransition, StrictMode } from './react'
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { ApiError } from './api/client'
import { codeOf } from './api/early'
import { queries } from './api/queries'
import { followViews, whenIdle } from './idle'
import { startLocale, useLocale } from './i18n/locale'
import { forgetKept, keepLists } from './offline/page'
import { keepInstallOffer } from './modules/shell/install'
import { keepUpdated } from './modules/shell/updates'
import { signingOut } from './modules/shell/signOut'
import { makeRouter } from './router'
import { stream } from './stream/page'
import './theme/index.css'

startLocale()
keepInstallOffer()

let leaving = false

/** A sign-in that ended elsewhere is noticed by whatever asks next. */
function noticeSignOut(error: Error): void {
  if (!(error instanceof ApiError) || error.code !== 'unauthenticated') return
  const me = client.getQueryData(queries.me().queryKey)
  if (leaving || signingOut(client) || me === undefined) return
  leaving = true
  stream.stop()
  void forgetKept()
  const { pathname } = router.state.location
  // First, so that no view asks for what it may no longer have.
  void router.navigate({ to: '/login', search: pathname === '/' ? {} : { next: pathname }, state: { nextOf: me.id } }).finally(() => {
    leaving = false
    client.removeQueries({ queryKey: queries.me().queryKey })
  })
}

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticeSignOut }),
  mutationCache: new MutationCache({ onError: noticeSignOut }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // A browser that believes itself offline must not keep us waiting: the answer is that nobody is there.
      networkMode: 'always',
      refetchOnReconnect: true,
      // What the server refused it refuses again; only an absent server is asked twice.
      retry: (count, error) => count < 2 && error instanceof ApiError && error.code === 'unreachable',
    },
    mutations: { networkMode: 'always' },
  },
})

keepLists(client)

const router = makeRouter(client)
followViews(router)
// In development every file is new: there is nothing to keep. The worker fetches all of the page, which is no hurry.
if (import.meta.env.PROD) whenIdle(keepUpdated)

// Where most go next. It is fetched, not run.
whenIdle(() => {
  for (const href of codeOf('/s')) document.head.append(Object.assign(document.createElement('link'), { rel: 'prefetch', as: 'script', crossOrigin: '', href }))
})

// A page's own code comes while it is asked who is signed in, not after.
for (const { routeId } of router.matchRoutes(router.latestLocation.pathname)) void router.loadRouteChunk(router.routesById[routeId])?.catch(() => {})

function App() {
  // Messages are read while drawing: another language draws all anew.
  return <RouterProvider key={useLocale()} router={router} />
}

const root = createRoot(document.getElementById('root')!)

// Drawn as a transition once the first view is known: in pieces, between which the browser gets its turn.
void router
  .load()
  .catch(() => {}) // what the view itself tells
  .then(() =>
    startTransition(() =>
      root.render(
        <StrictMode>
          <QueryClientProvider client={client}>
            <App />
          </QueryClientProvider>
        </StrictMode>,
      ),
    ),
  )
