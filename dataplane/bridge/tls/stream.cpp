#include "dataplane/bridge/tls/stream.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/bridge/tls/stream_impl.h"

namespace headgate::bridge::tls {
namespace {

constexpr std::size_t kRecord = 16 * 1024;  // RFC 8446 5.1

// Of the call that just returned `result`.
Status status_of(Stream::Impl& impl, int result) {
  const int saved = errno;
  switch (SSL_get_error(impl.ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Status::want_read;
    case SSL_ERROR_WANT_WRITE:
      return Status::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return Status::closed;
    case SSL_ERROR_SYSCALL:
      last_error();
      if (result == 0 || saved == 0) return Status::closed;
      impl.error = std::strerror(saved);
      return Status::failed;
    default:
      impl.error = last_error();
      return Status::failed;
  }
}

}  // namespace

std::string last_error() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "TLS failed" : text;
}

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::~Stream() = default;

Status Stream::handshake() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(impl_->ssl.get());
  if (result == 1) return Status::done;
  const Status status = status_of(*impl_, result);
  const long verdict = SSL_get_verify_result(impl_->ssl.get());
  if (status == Status::failed && !impl_->host.empty() && verdict != X509_V_OK) {
    impl_->error = "the certificate of " + impl_->host +
                   " is not to be trusted: " + X509_verify_cert_error_string(verdict);
  }
  return status;
}

bool Stream::established() const { return SSL_is_init_finished(impl_->ssl.get()) == 1; }

Transfer Stream::read(std::span<std::uint8_t> into) {
  Transfer out;
  while (out.bytes < into.size()) {
    ERR_clear_error();
    errno = 0;
    std::size_t n = 0;
    const auto rest = into.subspan(out.bytes);
    const int result = SSL_read_ex(impl_->ssl.get(), rest.data(), rest.size(), &n);
    if (result != 1) {
      out.status = status_of(*impl_, result);
      return out;
    }
    out.bytes += n;
  }
  return out;
}

Status Stream::flush() {
  while (!impl_->record.empty()) {
    ERR_clear_error();
    errno = 0;
    std::size_t n = 0;
    const int result = SSL_write_ex(impl_->ssl.get(), impl_->record.data(), impl_->record.size(), &n);
    if (result != 1) return status_of(*impl_, result);
    impl_->record.erase(impl_->record.begin(), impl_->record.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return Status::done;
}

Transfer Stream::write(std::span<const iovec> buffers) {
  Transfer out;
  std::size_t index = 0, at = 0;
  while (true) {
    out.status = flush();
    if (out.status != Status::done) return out;
    while (index < buffers.size() && impl_->record.size() < kRecord) {
      const auto* from = static_cast<const std::uint8_t*>(buffers[index].iov_base) + at;
      const std::size_t piece = std::min(buffers[index].iov_len - at, kRecord - impl_->record.size());
      impl_->record.insert(impl_->record.end(), from, from + piece);
      out.bytes += piece;
      at += piece;
      if (at < buffers[index].iov_len) continue;
      ++index;
      at = 0;
    }
    if (impl_->record.empty()) return out;
  }
}

bool Stream::waiting() const { return !impl_->record.empty(); }

void Stream::close_notify() {
  if (!established()) return;
  ERR_clear_error();
  SSL_shutdown(impl_->ssl.get());
  ERR_clear_error();
}

const std::string& Stream::error() const { return impl_->error; }

std::string Stream::version() const { return SSL_get_version(impl_->ssl.get()); }

}  // namespace headgate::bridge::tls
