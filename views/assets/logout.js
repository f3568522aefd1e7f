// Goes on once every app has ended its own session, or has had its time. Without it the page does the same, later.
// Written for browsers of any age: televisions and web views inside apps log out too.
(function () {
  var onward = document.getElementById('onward');
  var gone = false;

  function go() {
    if (gone) return;
    gone = true;
    // Not to be come back to: there is nothing to see any more.
    location.replace(onward.href);
  }

  setTimeout(go, 3000);
  // The page is loaded when its frames are, whether what they asked for came or not.
  if (document.readyState === 'complete') go();
  else window.addEventListener('load', go);
})();
