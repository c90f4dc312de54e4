#include "config/load/certificate.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace headgate::config {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Free>;

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Certificate read_certificate(const std::string& text) {
  const Bio bio = bio_of(text);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// Asked for where the key is encrypted: nobody is there to type it.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

}  // namespace

tl::expected<void, PemError> check_pair(const std::string& certificate, const std::string& key) {
  const auto wrong = [](bool of_key, const char* why) {
    ERR_clear_error();
    return tl::unexpected(PemError{of_key, why});
  };
  const Certificate found = read_certificate(certificate);
  if (!found)
    return wrong(false, "holds no certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----");
  const Bio bio = bio_of(key);
  bool encrypted = false;
  const PrivateKey secret(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &encrypted));
  if (!secret && encrypted)
    return wrong(true, "is encrypted: take the passphrase off with openssl pkey -in FILE -out FILE");
  if (!secret)
    return wrong(true, "holds no private key in PEM form: it begins with -----BEGIN PRIVATE KEY-----");
  if (X509_check_private_key(found.get(), secret.get()) != 1)
    return wrong(true, "is not the key of that certificate");
  return {};
}

std::string expiry_of(const std::string& certificate, std::time_t now) {
  constexpr std::time_t kSoon = 14 * 86'400;
  const Certificate found = read_certificate(certificate);
  if (!found) {
    ERR_clear_error();
    return "";
  }
  const ASN1_TIME* end = X509_get0_notAfter(found.get());
  std::tm parts{};
  std::time_t soon = now + kSoon;
  if (ASN1_TIME_to_tm(end, &parts) != 1 || X509_cmp_time(end, &soon) > 0) return "";
  return fmt::format("{} on {:04}-{:02}-{:02}", X509_cmp_time(end, &now) < 0 ? "has expired" : "expires",
                     parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

}  // namespace headgate::config
