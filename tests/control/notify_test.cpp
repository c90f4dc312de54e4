#include "control/launcher/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "control/launcher/unique_fd.h"
#include "temp_dir.h"

namespace headgate::control {
namespace {

TEST(ServiceManager, SendsTheDatagramsOfSdNotify) {
  TempDir dir;
  const std::string path = dir.path + "/notify";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto next = [&] {
    char text[256];
    const ssize_t n = ::recv(fd.get(), text, sizeof text, MSG_DONTWAIT);
    return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
  };
  const ServiceManager manager(path, std::chrono::seconds(30));
  manager.ready("3 channels");
  EXPECT_EQ(next(), "READY=1\nSTATUS=3 channels");
  manager.reloading();
  EXPECT_TRUE(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  manager.alive();
  EXPECT_EQ(next(), "WATCHDOG=1");
  manager.stopping();
  EXPECT_TRUE(next().starts_with("STOPPING=1"));
  EXPECT_EQ(manager.alive_interval(), std::chrono::seconds(15));
}

TEST(ServiceManager, IsSilentWithoutOne) {
  const ServiceManager manager("", {});
  manager.ready("x");
  EXPECT_FALSE(manager.alive_interval().has_value());
}

}  // namespace
}  // namespace headgate::control
