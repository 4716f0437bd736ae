# Runs PostgreSQL servers in a folder of its own, as lines of standard input say, until that closes:
# then it stops them and removes the folder. Arguments: the folder of the programs, a place for files
# where memory is scarce.
#
# What is said to a line ends with a line `end` and a status; first of all the folder is said.

# Told to end, it would leave servers behind. The end of the input is the end.
trap '' HUP INT TERM PIPE
umask 077
programs=$1

# Each database is 300 files: a busy disk takes minutes to remove those of a few hundred tests.
enough_kib=$((8 * 1024 * 1024))
free_kib=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null)
room_kib=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
if test "${free_kib:-0}" -gt "$enough_kib" && test "${room_kib:-0}" -gt "$enough_kib"; then
  memory=/dev/shm
fi
for place in "${memory:-$2}" "$2" /var/tmp; do
  folder=$(mktemp -d "$place/firewarden-postgres.XXXXXX") && break
done 2>&1
echo "$folder"
test -n "$folder"
status=$?
echo "end $status"
test "$status" = 0 || exit 1

obey() {
  server=$folder/$2
  case $1 in
    create)
      "$programs/initdb" --pgdata="$server" --username=postgres --auth=trust --encoding=UTF8 \
        --locale=C --no-sync
      ;;
    copy)
      "$programs/pg_basebackup" --pgdata="$server" --write-recovery-conf --checkpoint=fast \
        --no-sync --username=postgres --host=127.0.0.1 --port="$3"
      ;;
    configure) printf '%s\n' "$3" >>"$server/postgresql.conf" ;;
    start)
      "$programs/pg_ctl" start --silent --wait --timeout=60 --pgdata="$server" \
        --log="$server.log" || { tail -n 20 "$server.log" && false; }
      ;;
    stop) "$programs/pg_ctl" stop --silent --wait --timeout=60 --pgdata="$server" --mode="$3" ;;
    promote) "$programs/pg_ctl" promote --silent --wait --timeout=60 --pgdata="$server" ;;
    *) echo "no such verb: $1" && false ;;
  esac
}

while read -r verb server argument; do
  obey "$verb" "$server" "$argument" </dev/null 2>&1
  echo "end $?"
done 2>/dev/null

for server in "$folder"/*/; do
  "$programs/pg_ctl" stop --silent --wait --mode=immediate --pgdata="$server" </dev/null
done >/dev/null 2>&1
rm -rf "$folder"
