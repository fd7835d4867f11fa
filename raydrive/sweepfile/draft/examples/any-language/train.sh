#!/bin/sh
# A program in another language: it reads its options, and logs by a command.
x=$2
for step in 1 2 3; do
    value=$(awk "BEGIN { print ($x - 0.3) ^ 2 + 1 / $step }")
    raydrive log loss="$value" --step "$step"
done
