/** Where the page is: `#/page/rest`. Links, reloads and the back button lead to the same place. */

export const route = $state({ page: '', rest: '' })

export function follow(): void {
  const [, page = '', ...rest] = location.hash.split('/')
  route.page = page
  try {
    route.rest = decodeURIComponent(rest.join('/'))
  } catch {
    route.rest = '' // written by hand
  }
}

export function link(page: string, rest = ''): string {
  return `#/${page}${rest ? `/${encodeURIComponent(rest)}` : ''}`
}

/** Makes the address say what the page shows; the back button skips it. */
export function remember(page: string, rest: string): void {
  history.replaceState(null, '', link(page, rest))
  route.rest = rest
}
