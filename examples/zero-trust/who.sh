#!/bin/sh
# Who is answered what: a row for each caller, a column for each service. 000 stands for a connection that is closed.
ask() { printf '%13s' "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$@")"; }
none() { for each in "$@"; do printf '%13s' -; done; }
by() {
  printf '%-12s' "$1"
  shift
  ask "$@" http://productpage:9080/api/v1/products/0
  ask "$@" http://details:9080/details/0
  ask "$@" http://reviews:9080/reviews/0
  ask "$@" http://ratings:9080/ratings/0
}
printf '%-12s' from
printf '%13s' productpage details reviews ratings outside
printf '\nbrowser     '
ask "$PAGE"
none details reviews ratings outside
echo
for caller in productpage:$PRODUCTPAGE details:$DETAILS reviews:$REVIEWS client:$CLIENT; do
  by "${caller%%:*}" -x "${caller#*:}"
  ask -x "${caller#*:}" http://outside.example.com/
  echo
done
by plaintext --connect-to "productpage::$PLAIN_PRODUCTPAGE" --connect-to "details::$PLAIN_DETAILS" \
  --connect-to "reviews::$PLAIN_REVIEWS" --connect-to "ratings::$PLAIN_RATINGS"
none outside
echo
