# shellcheck shell=bash disable=SC2034  # the arrays are read by those who source this file
# Reads src/rooms.txt, for check_layering.sh and rooms_table.sh (bash 5). read_rooms FILE fills, for every line
# "NAME: rooms it may use  # what it owns" that is right:
#   rooms        the names in the order of the file; programs are tools/NAME
#   uses[NAME]   rooms that it may use, with single spaces
#   owns[NAME]   the words behind the #
#   line_of[NAME]
# and for every other line an element "FILE:LINE: why" of wrong_lines. What an arrow names must stand above it: so there is
# no circle.
declare -a rooms=() wrong_lines=()
declare -A uses=() owns=() line_of=()

read_rooms() {
  local file=$1 line name used number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
    if ! [[ $line =~ ^((tools/)?[a-z][a-z0-9_]*):([a-z_ ]*)\#\ ([^|]*[^|[:space:]])$ ]]; then
      wrong_lines+=("$file:$number: not \"room: rooms it may use  # what it owns\": $line")
      continue
    fi
    name=${BASH_REMATCH[1]}
    if [ -n "${line_of[$name]+twice}" ]; then
      wrong_lines+=("$file:$number: $name has a line already: ${line_of[$name]}")
      continue
    fi
    line_of[$name]=$number
    owns[$name]=${BASH_REMATCH[4]}
    uses[$name]=""
    for used in ${BASH_REMATCH[3]}; do
      if [[ " ${uses[$name]} " == *" $used "* ]]; then
        wrong_lines+=("$file:$number: $name names $used twice")
      elif [ "$used" = "$name" ] || [ -z "${line_of[$used]+above}" ]; then
        wrong_lines+=("$file:$number: $name uses $used, which is no room above it")
      fi
      uses[$name]+="${uses[$name]:+ }$used"
    done
    rooms+=("$name")
  done <"$file"
}

# room_of FILE sets `room`: the room, or the program of src/tools, that owns a file given as PATH/ROOM/..., where PATH/
# is src/ or include/anemll/ or anemll/; "?" for a file in no folder, but
# the one header of the API.
room_of() {
  room=${1#include/}
  room=${room#*/}
  [ "$room" = anemll.hpp ] && { room=api; return; }
  [[ $room == */* ]] || { room="?"; return; }
  if [[ $room == tools/* ]]; then
    room=${room#tools/}
    room=${room#anemll_}
    [ -n "${line_of[tools/${room%%.*}]+known}" ] && { room=tools/${room%%.*}; return; }  # anemll_train_v1.cpp
    room=tools/${room%%[._]*}
  else
    room=${room%%/*}
  fi
}
