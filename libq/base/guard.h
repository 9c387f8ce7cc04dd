// A tool survives what it reads: when a library faults or loops in a hostile file, that is one line, exit
// status 2 and no temporary; and whatever such a file could make a library do, there is no network and no
// other program.
#pragma once

#include <string>

#include "q/error.h"

namespace q {

// From now on a fault (SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL) within a Reading ends the process with
// status 2, after temporaries are removed and one line is written: `name: file: …`. So do so many seconds of
// processor time in one Reading: a large block takes a few, a loop takes all there is. Other faults do what
// they did before. The handlers use neither memory nor locks of the process, and have a stack of their own: a
// heap that was written over or a stack that ran out does not stop them. Call once from main. Never throws.
Q_API void survive_faults(const std::string& name, int seconds = 20);

// Takes from the process, where the kernel can (seccomp), what reading files needs not: sockets, programs to
// start, processes to make, trace or write to. Such calls fail with EPERM then; threads are not concerned.
Q_API void give_up_rights();

// Says, as long as it lives, that a library reads this file. Meant for one thread at a time; those within
// another change nothing.
class Q_API Reading {
 public:
  // shown: the file as messages name it.
  explicit Reading(const std::string& shown);
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading();
};

}  // namespace q
