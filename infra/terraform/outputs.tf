output "function_app_name" {
  value = azurerm_function_app_flex_consumption.app.name
}

output "function_app_url" {
  value = "https://${azurerm_function_app_flex_consumption.app.default_hostname}"
}

output "app_principal_id" {
  value = local.app_principal_id
}

output "backup_account_name" {
  value = azurerm_storage_account.backup.name
}

output "backup_container_name" {
  value = azurerm_storage_container.backups.name
}

output "records" {
  value = "az://${azurerm_storage_account.host.name}/${azurerm_storage_container.records.name}/apim-dr"
}
