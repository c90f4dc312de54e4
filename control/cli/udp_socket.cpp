#include "control/cli/udp_socket.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace headgate::control {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  bool multicast = false;
};

std::optional<Address> numeric(const std::string& host, std::uint16_t port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (host.empty() || ::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof v4;
    address.multicast = IN_MULTICAST(ntohl(v4.sin_addr.s_addr));
    return address;
  }
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  address.size = sizeof v6;
  address.multicast = IN6_IS_ADDR_MULTICAST(&v6.sin6_addr);
  return address;
}

tl::unexpected<std::string> failure(const std::string& what) {
  return tl::unexpected(what + ": " + std::strerror(errno));
}

tl::expected<unsigned, std::string> interface_index(const std::string& name) {
  if (name.empty()) return 0U;
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) return tl::unexpected("no network interface '" + name + "'");
  return index;
}

bool join(int fd, const Address& group, const std::string& source, unsigned index) {
  const int level = group.storage.ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  if (source.empty()) {
    group_req request{};
    request.gr_interface = index;
    request.gr_group = group.storage;
    return ::setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof request) == 0;
  }
  const auto from = numeric(source, 0);
  if (!from) {
    errno = EINVAL;
    return false;
  }
  group_source_req request{};
  request.gsr_interface = index;
  request.gsr_group = group.storage;
  request.gsr_source = from->storage;
  return ::setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof request) == 0;
}

}  // namespace

tl::expected<UniqueFd, std::string> open_receiver(const StreamUrl& url) {
  const auto address = numeric(url.host, url.port);
  if (!address) return tl::unexpected("'" + url.host + "' is not a numeric address");
  const auto index = interface_index(url.interface);
  if (!index) return tl::unexpected(index.error());
  UniqueFd fd(::socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return failure("can't make a socket");
  const int on = 1;
  const int off = 0;
  const int buffer = 16 * 1024 * 1024;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  if (address->storage.ss_family == AF_INET)
    ::setsockopt(fd.get(), IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0)
    return failure("can't bind to " + url.host + ":" + std::to_string(url.port));
  if (address->multicast && !join(fd.get(), *address, url.source, *index))
    return failure(
        "can't join " + url.host +
        (url.interface.empty() ? " (name a kernel interface with --interface)" : " on " + url.interface));
  return fd;
}

tl::expected<UniqueFd, std::string> open_sender(const StreamUrl& url) {
  if (url.host.empty())
    return tl::unexpected(std::string("an address to send to is needed, as udp://239.10.1.1:5000"));
  if (!url.source.empty())
    return tl::unexpected(
        std::string("send takes no SOURCE@: the kernel's address of the interface is the source"));
  const auto address = numeric(url.host, url.port);
  if (!address) return tl::unexpected("'" + url.host + "' is not a numeric address");
  const auto index = interface_index(url.interface);
  if (!index) return tl::unexpected(index.error());
  UniqueFd fd(::socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return failure("can't make a socket");
  const bool v4 = address->storage.ss_family == AF_INET;
  const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  const int ifindex = static_cast<int>(*index);
  if (address->multicast && ifindex != 0) {
    ip_mreqn request{};
    request.imr_ifindex = ifindex;
    const int done = v4 ? ::setsockopt(fd.get(), level, IP_MULTICAST_IF, &request, sizeof request)
                        : ::setsockopt(fd.get(), level, IPV6_MULTICAST_IF, &ifindex, sizeof ifindex);
    if (done != 0) return failure("can't send on " + url.interface);
  }
  const int option =
      address->multicast ? (v4 ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS) : (v4 ? IP_TTL : IPV6_UNICAST_HOPS);
  const int ttl = address->multicast ? url.ttl : std::max(url.ttl, 1);
  if (::setsockopt(fd.get(), level, option, &ttl, sizeof ttl) != 0) return failure("can't set the TTL");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0)
    return failure("can't reach " + url.host +
                   (url.interface.empty() ? " (name an interface with ?interface=)" : ""));
  return fd;
}

std::optional<RtpPayload> parse_rtp(std::span<const std::uint8_t> datagram) {
  if (datagram.size() < 12 || (datagram[0] >> 6) != 2) return std::nullopt;
  std::size_t begin = 12 + std::size_t{4} * (datagram[0] & 0x0FU);
  std::size_t end = datagram.size();
  if ((datagram[0] & 0x10U) != 0) {
    if (begin + 4 > end) return std::nullopt;
    begin += 4 + std::size_t{4} * (std::size_t{datagram[begin + 2]} << 8 | datagram[begin + 3]);
  }
  if ((datagram[0] & 0x20U) != 0) {
    if (datagram[end - 1] == 0 || datagram[end - 1] > end) return std::nullopt;
    end -= datagram[end - 1];
  }
  if (begin > end) return std::nullopt;
  const auto sequence = static_cast<std::uint16_t>(datagram[2] << 8 | datagram[3]);
  return RtpPayload{sequence, datagram.subspan(begin, end - begin)};
}

}  // namespace headgate::control
