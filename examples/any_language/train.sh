#!/bin/sh
# Trains in a language that raydrive does not know: finds the root of 2 by steps of a given size.
set -e
step=$1 x=1 epoch=0
[ -z "$RAYDRIVE_RESUME_FROM" ] || read -r epoch x < "$RAYDRIVE_RESUME_FROM/state"
while [ $epoch -lt 10 ]; do
    epoch=$((epoch + 1))
    x=$(awk "BEGIN { print $x - $step * ($x * $x - 2) }")
    raydrive log error="$(awk "BEGIN { e = $x * $x - 2; print e < 0 ? -e : e }")" --step $epoch
    # A checkpoint: a folder, and beside it a file that tells that the folder is whole.
    mkdir "$RAYDRIVE_CHECKPOINT_DIR/$epoch"
    echo $epoch "$x" > "$RAYDRIVE_CHECKPOINT_DIR/$epoch/state"
    : > "$RAYDRIVE_CHECKPOINT_DIR/$epoch.done"
done
