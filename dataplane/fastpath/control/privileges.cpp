#include "dataplane/fastpath/control/privileges.h"

#include <cap-ng.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstring>

namespace headgate::fastpath {

tl::expected<void, std::string> drop_privileges() {
  // libcap-ng keeps its working set per thread. The bounding set can be lowered only by who has CAP_SETPCAP;
  // without it, dropping the rest is what can be done.
  ::capng_get_caps_process();
  const bool may_bound = ::capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  ::capng_clear(CAPNG_SELECT_BOTH);
  const int result = ::capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
  if (result != 0 && ::capng_apply(CAPNG_SELECT_CAPS) != 0)
    return tl::unexpected<std::string>(std::string("can't drop capabilities: ") + std::strerror(errno));
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return tl::unexpected<std::string>(std::string("can't set no_new_privs: ") + std::strerror(errno));
  return {};
}

}  // namespace headgate::fastpath
