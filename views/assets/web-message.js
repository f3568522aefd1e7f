// Hands the answer to the window that asked: the one that opened this page, or the one that it is framed by.
const { target, message } = document.currentScript.dataset;
const asked = window.opener ?? (window.parent === window ? null : window.parent);

// The browser drops it when the window is of another origin.
asked?.postMessage(JSON.parse(message), target);

// Who asked closes a popup as a rule; one that is left over closes itself.
if (window.opener) setTimeout(() => window.close(), 2000);
