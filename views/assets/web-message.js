// Hands the answer to the window that asked: the one that opened this page, or the one that it is framed by. Written for
// browsers of any age.
(function () {
  var own = document.getElementById('web-message');
  var asked = window.opener || (window.parent === window ? null : window.parent);

  // The browser drops it when the window is of another origin.
  if (asked) asked.postMessage(JSON.parse(own.getAttribute('data-message')), own.getAttribute('data-target'));

  // Who asked closes a popup as a rule; one that is left over closes itself.
  if (window.opener)
    setTimeout(function () {
      window.close();
    }, 2000);
})();
