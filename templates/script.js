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
    const reload = () => {
      if (document.visibilityState === "visible" && Date.now() - since >= 15000) location.reload();
    };
    setInterval(reload, 15000);
    document.addEventListener("visibilitychange", reload);
  }
})();
