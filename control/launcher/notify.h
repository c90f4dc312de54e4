// The notification datagrams of sd_notify(3), without libsystemd. Does nothing where NOTIFY_SOCKET is unset.
// Threading: one owner.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace headgate::control {

class ServiceManager {
 public:
  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  static ServiceManager from_environment();
  ServiceManager(std::string socket, std::optional<std::chrono::microseconds> watchdog)
      : socket_(std::move(socket)), watchdog_(watchdog) {}

  void ready(std::string_view status) const;
  void status(std::string_view status) const;
  void reloading() const;
  void stopping() const;
  void alive() const;
  // How often alive() is due; nothing without a watchdog.
  std::optional<std::chrono::microseconds> alive_interval() const;

 private:
  void send(const std::string& message) const;
  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace headgate::control
