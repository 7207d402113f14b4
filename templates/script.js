(() => {
  const code = new URLSearchParams(location.search).get("code");
  if (code !== null) {
    for (const link of document.querySelectorAll('a[href^="?"]')) {
      const url = new URL(link.href);
      url.searchParams.set("code", code);
      link.href = url.href;
    }
  }
  if ("busy" in document.documentElement.dataset) {
    const since = Date.now();
    const folds = () => Array.from(document.querySelectorAll("details"), (details) => details.open).join();
    const folded = folds();
    const reload = () => {
      // Whoever reads, selects or has unfolded something keeps the place.
      const focus = document.activeElement;
      const isBusy = (focus && focus !== document.body && focus.id !== "main") || String(getSelection()) || folds() !== folded;
      if (document.visibilityState === "visible" && !isBusy && Date.now() - since >= 15000) location.reload();
    };
    setInterval(reload, 15000);
    document.addEventListener("visibilitychange", reload);
  }
})();
