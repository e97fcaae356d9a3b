// React's own file of the page: a new version of Carrel leaves it in the browser's cache.
// It is run from here, so that it does not stand in the middle of the page's code.
export { startTransition, StrictMode } from 'react'
export { createRoot } from 'react-dom/client'
