# apim-dr on Azure Functions (Flex Consumption): backups and restores of API Management instances that exist already.
# Says the same as ../azuredeploy.json, which is the reference.

data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "this" {
  name = var.resource_group_name
}

locals {
  location        = coalesce(var.location, data.azurerm_resource_group.this.location)
  backup_location = coalesce(var.backup_location, data.azurerm_resource_group.this.location)

  token               = substr(sha256("${data.azurerm_resource_group.this.id}/${var.function_app_name}"), 0, 13)
  host_account_name   = "apimdrhost${local.token}"
  backup_account_name = "apimdrbak${local.token}"
  package_container   = "app-package"
  backup_container    = "apim-backups"
  records_container   = "azure-webjobs-hosts"
  replication         = trimprefix(var.storage_redundancy, "Standard_")
  is_easy_auth        = var.auth_mode == "easy-auth"

  instances       = setunion(var.apim_resource_ids, var.standby_resource_ids)
  instance_groups = [for id in local.instances : join("/", slice(split("/", id), 0, 5))]
  # Empty, the setting would allow all.
  restore_targets = length(var.standby_resource_ids) == 0 ? "none" : join(",", [for id in var.standby_resource_ids : split("/", id)[8]])

  place = {
    storageAccount = local.backup_account_name
    containerName  = local.backup_container
  }
  standby = length(var.apim_resource_ids) == 1 && length(var.standby_resource_ids) == 1 ? { standby = var.standby_resource_ids[0] } : {}
  own_targets = [
    for id in var.apim_resource_ids : merge({
      name           = substr(lower(split("/", id)[8]), 0, 40)
      subscriptionId = split("/", id)[2]
      resourceGroup  = split("/", id)[4]
      apimInstance   = split("/", id)[8]
      backupName     = split("/", id)[8]
    }, local.standby)
  ]
  # As texts: the two sides need not be of one type.
  targets = [
    for target in jsondecode(length(var.targets) == 0 ? jsonencode(local.own_targets) : jsonencode(var.targets)) :
    merge(local.place, target)
  ]
  storage_accounts = join(",", distinct(concat([local.backup_account_name], [for target in local.targets : target.storageAccount])))

  roles = {
    storage_blob_data_owner       = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
    storage_blob_data_contributor = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    storage_blob_data_reader      = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    monitoring_metrics_publisher  = "3913510d-42f4-4e42-8a64-420c390055eb"
  }
  role_definitions  = "/subscriptions/${var.subscription_id}/providers/Microsoft.Authorization/roleDefinitions"
  app_backups_role  = var.prune ? local.roles.storage_blob_data_contributor : local.roles.storage_blob_data_reader
  app_principal_id  = azurerm_function_app_flex_consumption.app.identity[0].principal_id
  app_id            = "${data.azurerm_resource_group.this.id}/providers/Microsoft.Web/sites/${var.function_app_name}"
  assignable_scopes = distinct(concat([data.azurerm_resource_group.this.id], local.instance_groups))
}

data "azapi_resource" "apim" {
  for_each = local.instances

  type                   = "Microsoft.ApiManagement/service@2024-05-01"
  resource_id            = each.value
  response_export_values = ["identity.principalId"]
}

resource "azurerm_log_analytics_workspace" "logs" {
  name                = "${var.function_app_name}-logs"
  resource_group_name = data.azurerm_resource_group.this.name
  location            = local.location
  sku                 = "PerGB2018"
  retention_in_days   = 90
}

resource "azurerm_application_insights" "insights" {
  name                          = "${var.function_app_name}-insights"
  resource_group_name           = data.azurerm_resource_group.this.name
  location                      = local.location
  application_type              = "web"
  workspace_id                  = azurerm_log_analytics_workspace.logs.id
  local_authentication_disabled = true
}

resource "azurerm_storage_account" "host" {
  name                            = local.host_account_name
  resource_group_name             = data.azurerm_resource_group.this.name
  location                        = local.location
  account_kind                    = "StorageV2"
  account_tier                    = "Standard"
  account_replication_type        = local.replication
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
}

resource "azurerm_storage_container" "packages" {
  name                  = local.package_container
  storage_account_id    = azurerm_storage_account.host.id
  container_access_type = "private"
}

resource "azurerm_storage_container" "records" {
  name                  = local.records_container
  storage_account_id    = azurerm_storage_account.host.id
  container_access_type = "private"
}

resource "azurerm_storage_account" "backup" {
  name                            = local.backup_account_name
  resource_group_name             = data.azurerm_resource_group.this.name
  location                        = local.backup_location
  account_kind                    = "StorageV2"
  account_tier                    = "Standard"
  account_replication_type        = local.replication
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = var.soft_delete_days
    }

    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }
}

resource "azurerm_storage_container" "backups" {
  name                  = local.backup_container
  storage_account_id    = azurerm_storage_account.backup.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "backup" {
  storage_account_id = azurerm_storage_account.backup.id

  rule {
    name    = "delete-what-cannot-be-restored"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${local.backup_container}/"]
    }

    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = var.backup_retention_days
      }

      version {
        delete_after_days_since_creation = var.backup_retention_days
      }
    }
  }
}

resource "azurerm_service_plan" "plan" {
  name                = "${var.function_app_name}-plan"
  resource_group_name = data.azurerm_resource_group.this.name
  location            = local.location
  os_type             = "Linux"
  sku_name            = "FC1"
}

resource "azurerm_function_app_flex_consumption" "app" {
  name                = var.function_app_name
  resource_group_name = data.azurerm_resource_group.this.name
  location            = local.location
  service_plan_id     = azurerm_service_plan.plan.id
  https_only          = true
  tags                = { "azd-service-name" = "apim-dr" }

  storage_container_type      = "blobContainer"
  storage_container_endpoint  = "${azurerm_storage_account.host.primary_blob_endpoint}${azurerm_storage_container.packages.name}"
  storage_authentication_type = "SystemAssignedIdentity"
  runtime_name                = "custom"
  runtime_version             = "1.0"
  maximum_instance_count      = 40
  instance_memory_in_mb       = 512

  identity {
    type = "SystemAssigned"
  }

  site_config {
    minimum_tls_version                    = "1.2"
    application_insights_connection_string = azurerm_application_insights.insights.connection_string
  }

  app_settings = {
    # The provider sets it to a connection string of its own making unless it is given here; empty, it does not stand in
    # the way of the name below (hashicorp/terraform-provider-azurerm#29693).
    "AzureWebJobsStorage"                       = ""
    "AzureWebJobsStorage__accountName"          = azurerm_storage_account.host.name
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING" = "Authorization=AAD"
    "APIM_DR_CREDENTIAL"                        = "managed-identity"
    "APIM_DR_BACKUP_SCHEDULE"                   = var.backup_schedule
    "APIM_DR_TARGETS"                           = jsonencode(local.targets)
    "APIM_DR_NOTIFY"                            = var.notify
    "APIM_DR_RESTORE_TARGETS"                   = local.restore_targets
    "APIM_DR_STORAGE_ACCOUNTS"                  = local.storage_accounts
    "APIM_DR_REQUIRE_PRINCIPAL"                 = local.is_easy_auth ? "true" : "false"
    "APIM_DR_REFUSE_PAYLOAD_SECRETS"            = var.refuse_payload_secrets ? "true" : "false"
  }

  dynamic "auth_settings_v2" {
    for_each = local.is_easy_auth ? [true] : []

    content {
      auth_enabled           = true
      # The program refuses whom nobody signed in, all but links, which have a token of their own, and health.
      require_authentication = false
      unauthenticated_action = "AllowAnonymous"
      require_https          = true

      active_directory_v2 {
        client_id            = var.auth_client_id
        tenant_auth_endpoint = "https://login.microsoftonline.com/${data.azurerm_client_config.current.tenant_id}/v2.0"
        allowed_audiences    = [var.auth_client_id, "api://${var.auth_client_id}"]
        allowed_identities   = var.auth_principal_ids
      }

      login {}
    }
  }

  depends_on = [azurerm_storage_container.records]
}

resource "azurerm_role_assignment" "host" {
  name               = uuidv5("oid", "${azurerm_storage_account.host.id}/${local.app_id}/${local.roles.storage_blob_data_owner}")
  scope              = azurerm_storage_account.host.id
  role_definition_id = "${local.role_definitions}/${local.roles.storage_blob_data_owner}"
  principal_id       = local.app_principal_id
  principal_type     = "ServicePrincipal"
  description        = "The Functions host keeps keys, locks and the package there, apim-dr its records."
}

resource "azurerm_role_assignment" "insights" {
  name               = uuidv5("oid", "${azurerm_application_insights.insights.id}/${local.app_id}/${local.roles.monitoring_metrics_publisher}")
  scope              = azurerm_application_insights.insights.id
  role_definition_id = "${local.role_definitions}/${local.roles.monitoring_metrics_publisher}"
  principal_id       = local.app_principal_id
  principal_type     = "ServicePrincipal"
  description        = "The Functions host sends the log there."
}

resource "azurerm_role_assignment" "backups" {
  name               = uuidv5("oid", "${azurerm_storage_container.backups.id}/${local.app_id}/${local.app_backups_role}")
  scope              = azurerm_storage_container.backups.id
  role_definition_id = "${local.role_definitions}/${local.app_backups_role}"
  principal_id       = local.app_principal_id
  principal_type     = "ServicePrincipal"
  description        = "apim-dr looks for the backups, and deletes them if it may."
}

resource "azurerm_role_assignment" "apim_storage" {
  for_each = local.instances

  name               = uuidv5("oid", "${azurerm_storage_account.backup.id}/${each.value}/${local.roles.storage_blob_data_contributor}")
  scope              = azurerm_storage_account.backup.id
  role_definition_id = "${local.role_definitions}/${local.roles.storage_blob_data_contributor}"
  principal_id       = data.azapi_resource.apim[each.value].output.identity.principalId
  principal_type     = "ServicePrincipal"
  description        = "API Management writes its backups there, and reads them."
}

resource "azurerm_role_definition" "backup" {
  role_definition_id = uuidv5("oid", "${data.azurerm_resource_group.this.id}/APIM DR Backup (${var.function_app_name})")
  name               = "APIM DR Backup (${var.function_app_name})"
  scope              = data.azurerm_resource_group.this.id
  description        = "Backs up an API Management instance."
  assignable_scopes  = local.assignable_scopes

  permissions {
    actions = [
      "Microsoft.ApiManagement/service/read",
      "Microsoft.ApiManagement/service/backup/action",
      "Microsoft.ApiManagement/service/operationresults/read",
    ]
  }
}

resource "azurerm_role_definition" "restore" {
  role_definition_id = uuidv5("oid", "${data.azurerm_resource_group.this.id}/APIM DR Restore (${var.function_app_name})")
  name               = "APIM DR Restore (${var.function_app_name})"
  scope              = data.azurerm_resource_group.this.id
  description        = "Restores a backup into an API Management instance, overwriting it."
  assignable_scopes  = local.assignable_scopes

  permissions {
    actions = [
      "Microsoft.ApiManagement/service/read",
      "Microsoft.ApiManagement/service/restore/action",
      "Microsoft.ApiManagement/service/operationresults/read",
    ]
  }
}

resource "azurerm_role_definition" "preflight" {
  role_definition_id = uuidv5("oid", "${data.azurerm_resource_group.this.id}/APIM DR Preflight (${var.function_app_name})")
  name               = "APIM DR Preflight (${var.function_app_name})"
  scope              = data.azurerm_resource_group.this.id
  description        = "Reads what apim-dr looks at before a start, and for comparisons. No secrets, and no users' keys."
  assignable_scopes  = local.assignable_scopes

  permissions {
    actions = [
      "Microsoft.ApiManagement/service/read",
      "Microsoft.ApiManagement/service/apis/read",
      "Microsoft.ApiManagement/service/products/read",
      "Microsoft.ApiManagement/service/subscriptions/read",
      "Microsoft.ApiManagement/service/users/read",
      "Microsoft.ApiManagement/service/workspaces/read",
      "Microsoft.ApiManagement/service/portalRevisions/read",
      "Microsoft.ApiManagement/service/networkStatus/read",
      "Microsoft.Insights/diagnosticSettings/read",
      "Microsoft.Storage/storageAccounts/read",
      "Microsoft.Storage/storageAccounts/blobServices/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/read",
      "Microsoft.Authorization/roleAssignments/read",
    ]
  }
}

resource "azurerm_role_assignment" "may_back_up" {
  for_each = toset(var.apim_resource_ids)

  name               = uuidv5("oid", "${each.value}/${local.app_id}/backup")
  scope              = each.value
  role_definition_id = azurerm_role_definition.backup.role_definition_resource_id
  principal_id       = local.app_principal_id
  principal_type     = "ServicePrincipal"
  description        = "apim-dr backs it up."
}

resource "azurerm_role_assignment" "may_restore" {
  for_each = toset(var.standby_resource_ids)

  name               = uuidv5("oid", "${each.value}/${local.app_id}/restore")
  scope              = each.value
  role_definition_id = azurerm_role_definition.restore.role_definition_resource_id
  principal_id       = local.app_principal_id
  principal_type     = "ServicePrincipal"
  description        = "apim-dr restores into it."
}

resource "azurerm_role_assignment" "may_look" {
  for_each = var.preflight ? local.instances : toset([])

  name               = uuidv5("oid", "${each.value}/${local.app_id}/preflight")
  scope              = each.value
  role_definition_id = azurerm_role_definition.preflight.role_definition_resource_id
  principal_id       = local.app_principal_id
  principal_type     = "ServicePrincipal"
  description        = "apim-dr looks at it before a start, and compares it."
}

resource "azurerm_role_assignment" "backup_account" {
  count = var.preflight ? 1 : 0

  name               = uuidv5("oid", "${azurerm_storage_account.backup.id}/${local.app_id}/preflight")
  scope              = azurerm_storage_account.backup.id
  role_definition_id = azurerm_role_definition.preflight.role_definition_resource_id
  principal_id       = local.app_principal_id
  principal_type     = "ServicePrincipal"
  description        = "apim-dr looks at the account before a start."
}

resource "azurerm_monitor_action_group" "on_call" {
  count = var.alert_email == "" ? 0 : 1

  name                = "${var.function_app_name}-on-call"
  resource_group_name = data.azurerm_resource_group.this.name
  short_name          = "apim-dr"

  email_receiver {
    name                    = "on-call"
    email_address           = var.alert_email
    use_common_alert_schema = true
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "no_backup" {
  name                    = "${var.function_app_name}-no-backup"
  resource_group_name     = data.azurerm_resource_group.this.name
  location                = local.location
  display_name            = "APIM DR: no backup has succeeded in 26 hours"
  description             = "Fires also if the app is gone, and during its first 26 hours until a backup has succeeded."
  severity                = 1
  scopes                  = [azurerm_application_insights.insights.id]
  evaluation_frequency    = "PT15M"
  window_duration         = "P2D"
  auto_mitigation_enabled = true
  skip_query_validation   = true

  criteria {
    query = <<-KUSTO
      traces
      | where timestamp > ago(26h)
      | extend line = parse_json(message)
      | where tostring(line["operation.kind"]) == "backup" and tostring(line["operation.phase"]) == "Succeeded"
      | summarize succeeded = count()
      | where succeeded == 0
    KUSTO

    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0

    failing_periods {
      number_of_evaluation_periods             = 1
      minimum_failing_periods_to_trigger_alert = 1
    }
  }

  action {
    action_groups = azurerm_monitor_action_group.on_call[*].id
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "failed" {
  name                    = "${var.function_app_name}-failed"
  resource_group_name     = data.azurerm_resource_group.this.name
  location                = local.location
  display_name            = "APIM DR: an operation failed, or an alarm was raised"
  description             = "What failed, and what helps, is in the log lines and on the status page."
  severity                = 1
  scopes                  = [azurerm_application_insights.insights.id]
  evaluation_frequency    = "PT15M"
  window_duration         = "PT1H"
  auto_mitigation_enabled = false
  skip_query_validation   = true

  criteria {
    query = <<-KUSTO
      traces
      | where ingestion_time() > ago(15m)
      | extend line = parse_json(message)
      | where tostring(line["operation.phase"]) == "Failed" or tostring(line.message) in ("alarm raised", "alarm worsened")
    KUSTO

    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0

    failing_periods {
      number_of_evaluation_periods             = 1
      minimum_failing_periods_to_trigger_alert = 1
    }
  }

  action {
    action_groups = azurerm_monitor_action_group.on_call[*].id
  }
}
