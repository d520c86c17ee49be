/** A page's heading, which also is its name in the browser's tab, in bookmarks, and for screen readers. */
export function Heading({ children }: { children: string }) {
  return (
    <>
      <title>{`${children} · LingoLoop`}</title>
      <h1>{children}</h1>
    </>
  );
}
