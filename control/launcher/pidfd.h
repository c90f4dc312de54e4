// pidfd_open(2) and pidfd_send_signal(2). glibc 2.36 forgets to declare them extern "C".
#pragma once

extern "C" {
#include <sys/pidfd.h>
}
